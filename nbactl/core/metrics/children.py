"""The children of a metric, each made once, so that counting costs one look into a dictionary."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from nbactl.core.observe.metrics.definitions import Metric

_MOST: Final = 500
_REST: Final = "(other)"

Key = str | tuple[str, ...]


class Children(dict[Key, Any]):
    """A metric's children by label value; by a tuple of them if it has several labels, by `()` if it has none.

    When a name is seen for the first time, its children for all values of the other labels are made: to `increase()`
    a counter that begins at 1 has not increased, so that an alert would miss the first failure. Names beyond the first
    500 are counted as `(other)`: whoever makes a label of an id by mistake must not fill the memory.
    """

    def __init__(self, metric: Metric, collector: Any) -> None:  # noqa: ANN401 - a class of prometheus_client
        super().__init__()
        self._metric = metric
        self._collector = collector
        self._fixed = [label.values for label in metric.labels]
        if all(self._fixed):
            self.prepare()

    def prepare(self, *names: str) -> None:
        """Make the children of `names`, which stand for the labels without fixed values, in their order."""
        given = iter(names)
        for values in product(*[fixed or (next(given),) for fixed in self._fixed]):
            self._make(values)

    def __missing__(self, key: Key) -> Any:  # noqa: ANN401
        values = (key,) if isinstance(key, str) else key
        if len(self) >= _MOST:
            values = tuple(value if fixed else _REST for value, fixed in zip(values, self._fixed, strict=True))
            return self._make(values)
        self.prepare(*(value for value, fixed in zip(values, self._fixed, strict=True) if not fixed))
        return self._make(values)  # also for a value that is none of the fixed ones

    def _make(self, values: tuple[str, ...]) -> Any:  # noqa: ANN401
        child = self._collector.labels(*values) if values else self._collector
        self[values[0] if len(values) == 1 else values] = child
        return child
