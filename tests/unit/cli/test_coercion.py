"""Words of the command line become values without pydantic."""

from __future__ import annotations

from typing import Annotated, Literal

import pytest
import typer

from nbactl.cli.frame import Leaf
from nbactl.cli.show.render import View
from nbactl.errors import UsageError


def _declared(  # noqa: PLR0917 - as a command is declared
    names: Annotated[list[str] | None, typer.Argument()] = None,
    mode: Annotated[Literal["parallel", "sequential"] | None, typer.Option("--mode")] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, max=8)] = 4,
    share: Annotated[float | None, typer.Option("--share")] = None,
    only: Annotated[list[str] | None, typer.Option("--only")] = None,
    force: Annotated[bool, typer.Option("--force")] = False,
) -> View:
    return View({"names": names, "mode": mode, "workers": workers, "share": share, "only": only, "force": force}, print)


def _called(*words: str) -> dict[str, object]:
    leaf = Leaf("x", _declared, ["nbactl x"])
    context = leaf.make_context("x", list(words), obj=type("Session", (), {"flags": {}})())
    assert leaf.callback is not None
    with context:
        return dict(leaf.callback(**context.params).data)


def test_values_have_their_types() -> None:
    assert _called("a", "b", "--mode", "parallel", "--workers", "2", "--share", "1.5", "--only", "t", "--force") == {
        "names": ["a", "b"],
        "mode": "parallel",
        "workers": 2,
        "share": 1.5,
        "only": ["t"],
        "force": True,
    }


def test_what_is_not_given_has_its_default() -> None:
    assert _called() == {"names": None, "mode": None, "workers": 4, "share": None, "only": None, "force": False}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--workers", "two"], "'two' is not a whole number"),
        (["--workers", "1.5"], "'1.5' is not a whole number"),
        (["--workers", "9"], "9 is not between 1 and 8"),
        (["--share", "half"], "'half' is not a number"),
    ],
)
def test_a_wrong_number_is_refused(words: list[str], message: str) -> None:
    with pytest.raises(typer.TyperException) as raised:
        _called(*words)
    assert message in raised.value.format_message()


def test_a_wrong_choice_is_refused_with_what_was_meant() -> None:
    with pytest.raises(UsageError) as raised:
        _called("--mode", "paralel")
    assert raised.value.message == "'--mode': 'paralel' is not one of parallel, sequential"
    assert (raised.value.next_step or "").startswith("Did you mean 'parallel'?")
