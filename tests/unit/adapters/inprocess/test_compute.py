from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest

from nbactl.adapters.inprocess.compute import load_function, outcome_of
from nbactl.core._support.aio import in_daemon_thread
from nbactl.errors import ConfigError, DataError
from nbactl.ports.compute import TaskOutcome

HERE = "tests.kit.workflow_tasks"


def test_a_function_is_found_by_module_and_name() -> None:
    assert load_function(f"{HERE}:work").__name__ == "work"


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("no_colon", "not of the form"),
        ("module:", "not of the form"),
        ("no_such_module:f", "cannot be imported"),
        (f"{HERE}:wrok", "has no function wrok"),
        (f"{HERE}:ERRORS", "has no function ERRORS"),
    ],
)
def test_a_function_that_is_not_there_is_refused(target: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load_function(target)


def test_a_misspelt_function_gets_a_suggestion() -> None:
    with pytest.raises(ConfigError) as refused:
        load_function(f"{HERE}:wrok")
    assert refused.value.next_step == "Did you mean 'work'?"


@pytest.mark.parametrize(
    ("result", "outcome"),
    [(3, TaskOutcome(3)), (None, TaskOutcome(None)), (TaskOutcome(1, {"a": 2}), TaskOutcome(1, {"a": 2}))],
)
def test_a_task_returns_rows_none_or_an_outcome(result: Any, outcome: TaskOutcome) -> None:
    assert outcome_of(result, "m:f") == outcome


@pytest.mark.parametrize("result", [True, "3", 1.0, [1]])
def test_anything_else_is_refused(result: Any) -> None:
    with pytest.raises(DataError, match="m:f returned"):
        outcome_of(result, "m:f")


def test_a_blocking_call_runs_in_a_daemon_thread_with_the_context_of_its_caller() -> None:
    variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable")

    def look() -> tuple[bool, str]:
        return threading.current_thread().daemon, variable.get()

    async def main() -> tuple[bool, str]:
        variable.set("here")
        return await in_daemon_thread(look)

    assert asyncio.run(main()) == (True, "here")


def test_what_the_thread_raises_is_raised() -> None:
    def fail() -> None:
        raise StopIteration("odd")

    async def main() -> None:
        await in_daemon_thread(fail)

    with pytest.raises(RuntimeError, match="StopIteration"):
        asyncio.run(main())


def test_a_call_that_ends_within_the_grace_after_its_cancellation_counts() -> None:
    entered, go_on = threading.Event(), threading.Event()

    def work() -> str:
        entered.set()
        go_on.wait(10)
        return "late but done"

    async def main() -> str:
        call = asyncio.ensure_future(in_daemon_thread(work, grace=10))
        await asyncio.sleep(0)
        entered.wait(10)
        call.cancel()
        await asyncio.sleep(0)
        go_on.set()
        return await call

    assert asyncio.run(main()) == "late but done"


def test_a_call_that_goes_on_beyond_the_grace_is_left_to_itself() -> None:
    go_on = threading.Event()

    async def main() -> None:
        call = asyncio.ensure_future(in_daemon_thread(lambda: go_on.wait(10), grace=0))
        await asyncio.sleep(0)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call

    asyncio.run(main())
    go_on.set()
