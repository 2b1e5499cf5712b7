from __future__ import annotations

import re

from nbactl.cli.app import build
from nbactl.cli.frame import find
from nbactl.core.completions.stages import CompletionStage, mode_of
from tests.kit.paths import ROOT

PAGE = (ROOT / "docs" / "completions.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_the_examples_hold_one_after_the_other() -> None:
    assert len(EXAMPLES) == 4
    names: dict[str, object] = {}
    for number, example in enumerate(EXAMPLES, 1):
        exec(compile(example, f"completions.md, example {number}", "exec"), names)  # noqa: S102 - our own text


def test_the_table_says_of_each_stage_what_its_mode_is() -> None:
    rows = re.findall(r"^\| (`[a-z_`, ]+`) \| ([^|]*)\| ([^|]*)\| ([^|]*)\|$", PAGE, re.MULTILINE)
    told = {stage: cells for names, *cells in rows for stage in re.findall(r"`(\w+)`", names)}
    assert set(told) == {stage.value for stage in CompletionStage}
    for stage, (written, read, before) in told.items():
        mode = mode_of(CompletionStage(stage), {})
        assert ("array" in written, "subcollection" in written) == (mode.write_array, mode.write_subcollection)
        assert read.strip() == ("subcollection" if mode.read_subcollection else "array")
        assert bool(before.strip()) == mode.check_array


def test_the_batches_commands_it_names_exist() -> None:
    for verb in set(re.findall(r"nbactl batches (\w+)", PAGE)):
        assert find(build(), ["batches", verb])
