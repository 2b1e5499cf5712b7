"""Whatever the graph and whatever fails: the promises of the engine hold."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from nbactl.workflows.model import RunStatus
from tests.kit.budget import budget
from tests.kit.workflow import Harness, workflows

_BEHAVIOURS = ("ok", "ok", "ok", "data", "unavailable", "value", "timeout", "once")


@st.composite
def _cases(draw: st.DrawFn) -> dict[str, Any]:
    size = draw(st.integers(1, 9))
    order = draw(st.permutations([f"t{n}" for n in range(size)]))
    tasks, uses = {}, []
    for position, name in enumerate(order):
        behaviour = draw(st.sampled_from(_BEHAVIOURS))
        given_: dict[str, Any] = {"sleep": 100 if behaviour == "timeout" else draw(st.integers(0, 3))}
        if behaviour not in ("ok", "timeout"):
            given_ |= {"raises": "unavailable", "fails": 1} if behaviour == "once" else {"raises": behaviour}
        tasks[name] = {"with": given_, "retry": "thrice" if behaviour == "once" else "none"}
        earlier = st.sampled_from(order[:position]) if position else st.nothing()
        needs = draw(st.sets(earlier, max_size=3)) if position else set()
        uses.append({"task": name, "needs": tuple(sorted(needs)), "required": draw(st.booleans())})
    # Declared in another order than the graph's: a need may come later in the file.
    return {
        "tasks": tasks,
        "uses": draw(st.permutations(uses)),
        "execution_mode": draw(st.sampled_from(["parallel", "sequential"])),
        "max_workers": draw(st.integers(1, 4)),
        "bad": {name for name, task in tasks.items() if _fails(task)},
    }


def _fails(task: dict[str, Any]) -> bool:
    return task["with"]["sleep"] == 100 or ("raises" in task["with"] and "fails" not in task["with"])


@budget(80)
@given(_cases())
def test_every_run_keeps_the_promises_of_the_engine(case: dict[str, Any]) -> None:
    bad = case.pop("bad")
    harness = Harness(workflows(case["tasks"], **{key: case[key] for key in case if key != "tasks"}))
    run = harness.run_one()
    uses = {use["task"]: use for use in case["uses"]}
    lost = set(bad)
    while grown := {name for name, use in uses.items() if name not in lost and lost & set(use["needs"])}:
        lost |= grown
    skipped = {name for name, use in uses.items() if lost & set(use["needs"])}
    status = {task.name: task.status.value for task in run.tasks}

    # Every task that can run does, and no other.
    assert set(harness.world.tries) == set(uses) - skipped
    assert {name for name, value in status.items() if value == "skipped"} == skipped
    assert {name for name, value in status.items() if value in ("failed", "timed_out")} == bad - skipped
    assert {name for name, value in status.items() if value == "succeeded"} == set(uses) - bad - skipped
    # No task starts before what it needs is done.
    for name, use in uses.items():
        if name not in skipped:
            begun = harness.world.events.index(("begin", name))
            assert all(("end", need) in harness.world.events[:begun] for need in use["needs"])
    # Never more at once than allowed; one at a time in declared order if sequential.
    sequential = case["execution_mode"] == "sequential"
    assert harness.world.most_at_once <= (1 if sequential else case["max_workers"])
    if sequential:
        first_tries = list(dict.fromkeys(harness.world.order))
        done: set[str] = set()
        left = [name for name in uses if name not in skipped]
        for name in first_tries:
            assert name == next(each for each in left if set(uses[each]["needs"]) <= done)
            left.remove(name)
            done.add(name)
    # The verdict is membership: all required done, all done.
    failed = {name for name in bad | skipped if uses[name]["required"]}
    expected = RunStatus.FAILED if failed else RunStatus.PARTIAL if bad | skipped else RunStatus.SUCCEEDED
    assert run.status is expected
    # The ledger holds just what was returned, and a second run does only what is missing.
    assert harness.ledger.find(run.run_id) == run
    harness.world.tries.clear()
    again = harness.run_one()
    assert set(harness.world.tries) == (set(uses) - skipped) & bad
    assert again.status is (RunStatus.SKIPPED if expected is RunStatus.SUCCEEDED else expected)
