"""Published messages that are waited for without a limit."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from nbactl.checks.code.kinds import kinds_of
from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import is_none, keyword, passes_on, receiver

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module

_NAME: Final = "pubsub-result-no-timeout"


def _finish(module: Module) -> None:
    for site in module.calls.get("result", ()):
        call = site.call
        if passes_on(call) or call.args or not is_none(keyword(call, "timeout")):
            continue
        if "ps.future" in kinds_of(module, receiver(call), site.scope):
            module.report(
                _NAME, call, "result() of a published message waits without a limit. Pass timeout=", site.scope
            )


_IMPORT: Final = "from google.cloud import pubsub_v1\npublisher = pubsub_v1.PublisherClient()\n"

RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A published message is waited for without a limit.",
    why="While Pub/Sub does not answer, result() blocks the thread, and the trigger of the next phase is neither sent nor lost.",
    fix="Call result(timeout=…) with the limit of timeouts.yaml (bus.publish), or publish through the outbox.",
    bad=(
        f"{_IMPORT}publisher.publish(topic, data).result()\n",
        f"{_IMPORT}future = publisher.publish(topic, data)\nfuture.result()\n",
        f"{_IMPORT}futures = [publisher.publish(topic, data) for data in all_data]\nfor future in futures:\n    future.result()\n",
        f"{_IMPORT}def send(data):\n    return publisher.publish(topic, data)\nsend(b'x').result(timeout=None)\n",
    ),
    good=(
        f"{_IMPORT}publisher.publish(topic, data).result(timeout=limit)\n",
        f"{_IMPORT}publisher.publish(topic, data).result(limit)\n",
        f"{_IMPORT}pool.submit(work).result()\n",
    ),
    finish=_finish,
    in_tests=False,
)
