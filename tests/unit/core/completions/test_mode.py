from __future__ import annotations

import pytest

from nbactl.core.completions.stages import (
    STAGE_DOCUMENT,
    CompletionMode,
    CompletionStage,
    StageReader,
    mode_in_force,
    mode_of,
)
from nbactl.errors import ConfigError
from nbactl.ports.documents import Set
from nbactl.testing import FakeClock, memory_documents

FLAGS = ("ENABLE_SUBCOLLECTION_COMPLETIONS", "DUAL_WRITE_MODE", "USE_SUBCOLLECTION_READS")


def written_and_read(mode: CompletionMode) -> str:
    array = "A" if mode.write_array else "-"
    documents = "S" if mode.write_subcollection else "-"
    read = "S" if mode.read_subcollection else "A"
    return f"{array}{documents} reads {read}{', checks' if mode.check_array else ''}"


@pytest.mark.parametrize(
    ("stage", "mode"),
    [
        (None, "A- reads A, checks"),
        (CompletionStage.LEGACY, "A- reads A, checks"),
        (CompletionStage.DUAL_WRITE, "AS reads A, checks"),
        (CompletionStage.BACKFILLED, "AS reads A, checks"),
        (CompletionStage.VALIDATED, "AS reads A, checks"),
        (CompletionStage.READS_SWITCHED, "AS reads S, checks"),
        (CompletionStage.DUAL_WRITE_STOPPED, "-S reads S"),
        (CompletionStage.CLEANED, "-S reads S"),
    ],
)
def test_each_stage_has_its_mode(stage: CompletionStage | None, mode: str) -> None:
    assert written_and_read(mode_of(stage, {})) == mode


@pytest.mark.parametrize("stage", list(CompletionStage))
def test_no_stage_reads_what_the_stage_before_or_after_does_not_write(stage: CompletionStage) -> None:
    stages = list(CompletionStage)
    at = stages.index(stage)
    for other in stages[max(0, at - 1) : at + 2]:
        reader, writer = mode_of(stage, {}), mode_of(other, {})
        assert writer.write_subcollection if reader.read_subcollection else writer.write_array


@pytest.mark.parametrize(
    ("flags", "mode"),
    [
        (("", "", ""), "A- reads A, checks"),
        (("false", "true", "false"), "A- reads A, checks"),
        (("0", "no", "off"), "A- reads A, checks"),
        (("true", "", ""), "AS reads A, checks"),
        (("True", "1", " false "), "AS reads A, checks"),
        (("true", "true", "true"), "AS reads S, checks"),
        (("on", "off", "yes"), "-S reads S, checks"),
    ],
)
def test_without_a_migration_the_environment_decides(flags: tuple[str, str, str], mode: str) -> None:
    environment = dict(zip(FLAGS, flags, strict=True))
    for stage in (None, CompletionStage.LEGACY):
        assert written_and_read(mode_of(stage, environment)) == mode
    assert mode_of(CompletionStage.CLEANED, environment) == mode_of(CompletionStage.CLEANED, {})


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("false", "true", "true"), "USE_SUBCOLLECTION_READS is true but ENABLE_SUBCOLLECTION_COMPLETIONS is not"),
        (("true", "false", "false"), "DUAL_WRITE_MODE is false but USE_SUBCOLLECTION_READS is not true"),
        (("ture", "true", "false"), "ENABLE_SUBCOLLECTION_COMPLETIONS is 'ture'"),
    ],
)
def test_inv_21_flags_that_contradict_are_refused(flags: tuple[str, str, str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        mode_of(None, dict(zip(FLAGS, flags, strict=True)))


def test_the_mode_follows_the_stage_while_a_writer_runs() -> None:
    clock = FakeClock()
    store = memory_documents(clock)
    mode = mode_in_force(StageReader(store, clock, ttl=5.0), {})
    assert not mode("b").write_subcollection
    store.commit([Set(STAGE_DOCUMENT, {"stage": "dual_write"})])
    clock.advance(5.0)
    assert mode("b").write_subcollection
