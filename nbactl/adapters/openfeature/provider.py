"""An OpenFeature provider over the flags of this process (specification: https://openfeature.dev/specification)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypeVar

from openfeature.event import ProviderEventDetails  # noqa: TID253 - the adapter itself
from openfeature.exception import ErrorCode  # noqa: TID253
from openfeature.flag_evaluation import FlagResolutionDetails  # noqa: TID253
from openfeature.flag_evaluation import Reason as OpenFeatureReason  # noqa: TID253
from openfeature.provider import AbstractProvider, Metadata  # noqa: TID253

from nbactl.core.flags.model import FlagErrorCode, FlagSource, Reason
from nbactl.errors import NbactlError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from openfeature.evaluation_context import EvaluationContext
    from openfeature.flag_evaluation import FlagValueType

    from nbactl.core.flags.client import Flags, Refreshed
    from nbactl.core.flags.model import Evaluation, FlagValue

V = TypeVar("V", bool, int, str)

_REASONS: Final = {
    Reason.DISABLED: OpenFeatureReason.DISABLED,
    Reason.ENVIRONMENT: OpenFeatureReason.STATIC,
    Reason.PREREQUISITE: OpenFeatureReason.DEFAULT,
    Reason.DENIED: OpenFeatureReason.TARGETING_MATCH,
    Reason.ALLOWED: OpenFeatureReason.TARGETING_MATCH,
    Reason.RULE: OpenFeatureReason.TARGETING_MATCH,
    Reason.PERCENT: OpenFeatureReason.STATIC,
    Reason.DEFAULT: OpenFeatureReason.DEFAULT,
}
"""The reason reported for an answer that needed no bucket; with a bucket it is SPLIT."""
_CODES: Final[Mapping[str, ErrorCode]] = {
    FlagErrorCode.UNKNOWN_FLAG: ErrorCode.FLAG_NOT_FOUND,
    FlagErrorCode.NOT_READY: ErrorCode.PROVIDER_NOT_READY,
    FlagErrorCode.WRONG_TYPE: ErrorCode.TYPE_MISMATCH,
    FlagErrorCode.INVALID_ENTITY: ErrorCode.INVALID_CONTEXT,
}


class FlagsProvider(AbstractProvider):
    """Answers from `flags`, which their owner starts and closes. The targeting key is the entity.

    Of the context's attributes, rules see those that are bool, int or text. Flags hold no structures, so objects are
    TYPE_MISMATCH; a flag of type int may be asked for as a float.
    """

    def __init__(self, flags: Flags) -> None:
        super().__init__()
        self._flags = flags
        self._outdated = False
        self._unlisten: Callable[[], None] | None = None

    def get_metadata(self) -> Metadata:
        """Return the provider's name."""
        return Metadata("nbactl")

    def initialize(self, evaluation_context: EvaluationContext) -> None:  # noqa: ARG002 - every evaluation has it
        """Ask the store, unless that was done; last known flags on disk will do. Raises UnavailableError."""
        if self._unlisten is None:
            self._unlisten = self._flags.listen(self._refreshed)
        if self._flags.health.refreshed_at is None:
            try:
                self._flags.refresh()
            except NbactlError:
                if not self._flags.snapshot.states:
                    self._outdated = True
                    raise

    def shutdown(self) -> None:
        """Tell of no more events; the flags go on."""
        if self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
        self._outdated = False

    def resolve_boolean_details(
        self, flag_key: str, default_value: bool, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[bool]:
        return self._resolve(flag_key, default_value, evaluation_context, bool)

    def resolve_string_details(
        self, flag_key: str, default_value: str, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[str]:
        return self._resolve(flag_key, default_value, evaluation_context, str)

    def resolve_integer_details(
        self, flag_key: str, default_value: int, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[int]:
        return self._resolve(flag_key, default_value, evaluation_context, int)

    def resolve_float_details(
        self, flag_key: str, default_value: float, evaluation_context: EvaluationContext | None = None
    ) -> FlagResolutionDetails[float]:
        found = self._resolve(flag_key, 0, evaluation_context, int)
        value = default_value if found.error_code else float(found.value)
        return FlagResolutionDetails(
            value, found.error_code, found.error_message, found.reason, found.variant, found.flag_metadata
        )

    def resolve_object_details(
        self,
        flag_key: str,
        default_value: Sequence[FlagValueType] | Mapping[str, FlagValueType],
        evaluation_context: EvaluationContext | None = None,
    ) -> FlagResolutionDetails[Sequence[FlagValueType] | Mapping[str, FlagValueType]]:
        answer = self._evaluate(flag_key, evaluation_context)
        return _failed(
            default_value, answer, _code(answer) or ErrorCode.TYPE_MISMATCH, f"{flag_key} is not a structure"
        )

    def _resolve(
        self, key: str, default: V, context: EvaluationContext | None, kind: type[V]
    ) -> FlagResolutionDetails[V]:
        answer = self._evaluate(key, context)
        code = _code(answer)
        if code is not None:
            return _failed(default, answer, code, f"{key}: no targeting key was given")
        value = answer.value
        if type(value) is not kind:
            message = f"{key} is of type {type(value).__name__}, not {kind.__name__}"
            return _failed(default, answer, ErrorCode.TYPE_MISMATCH, message)
        return FlagResolutionDetails(
            value, reason=self._reason(answer), variant=_variant(value), flag_metadata=self._metadata(key, answer)
        )

    def _evaluate(self, key: str, context: EvaluationContext | None) -> Evaluation:
        if context is None:
            return self._flags.evaluate(key)
        attributes = {name: value for name, value in context.attributes.items() if isinstance(value, (bool, int, str))}
        return self._flags.evaluate(key, context.targeting_key, attributes)

    def _reason(self, answer: Evaluation) -> OpenFeatureReason:
        if answer.reason is not Reason.ENVIRONMENT and (self._outdated or answer.source is FlagSource.DISK):
            return OpenFeatureReason.STALE
        return OpenFeatureReason.SPLIT if answer.bucket is not None else _REASONS[answer.reason]

    def _metadata(self, key: str, answer: Evaluation) -> dict[str, bool | int | float | str]:
        metadata: dict[str, bool | int | float | str] = {"source": answer.source.value, "step": answer.reason.value}
        if answer.bucket is not None:
            metadata["bucket"] = answer.bucket
        if (state := self._flags.snapshot.states.get(key)) is not None:
            metadata |= {"percent": state.percent, "version": state.version}
        return metadata

    def _refreshed(self, refreshed: Refreshed) -> None:
        """Make the SDK's events of a refresh."""
        if refreshed.health.failures:
            if not self._outdated:
                self._outdated = True
                self.emit_provider_stale(ProviderEventDetails(message=refreshed.health.error))
        elif self._outdated:
            self._outdated = False
            self.emit_provider_ready(ProviderEventDetails(message="the flags are current again"))
        if refreshed.changed:
            self.emit_provider_configuration_changed(ProviderEventDetails(flags_changed=sorted(refreshed.changed)))


def _variant(value: FlagValue) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


def _code(answer: Evaluation) -> ErrorCode | None:
    """Return why there is no answer, None if there is one."""
    if answer.reason is Reason.NO_ENTITY:
        return ErrorCode.TARGETING_KEY_MISSING
    if answer.reason is not Reason.ERROR:
        return None
    failure, _, _ = (answer.error or "").partition(":")
    return _CODES.get(failure, ErrorCode.GENERAL)


T = TypeVar("T")


def _failed(default: T, answer: Evaluation, code: ErrorCode, otherwise: str) -> FlagResolutionDetails[T]:
    return FlagResolutionDetails(default, code, answer.error or otherwise, OpenFeatureReason.ERROR)
