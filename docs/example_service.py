"""A service in forty lines: predicts a player's points, once a message, however often the message comes."""

from __future__ import annotations

import logging
import os
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import quote

from nbactl.core import (
    Create,
    Increment,
    PushMessage,
    Update,
    check_status,
    current_claim,
    encode_id,
    open_service,
    time_for,
)

log = logging.getLogger("example")
service = open_service("example")


def work_of(message: PushMessage) -> str:
    """Name the work of a message: a player of a batch is predicted once. Ids that cannot be stored are answered 400."""
    batch, player = message.attribute("batch"), message.attribute("player")
    encode_id(f"{batch}-{player}")
    return f"{batch}/{player}"


@service.policies["critical_api"]
def recent_form(player: str) -> float:
    """Ask another service; it is asked again, cut off or left alone as timeouts.yaml says."""
    with closing(HTTPConnection(os.environ["FORM_SERVICE"], timeout=time_for("the form service", 10.0))) as connection:
        connection.request("GET", f"/form/{quote(player, safe='')}")
        answer = connection.getresponse()
        check_status(
            "the form service", answer.status, now=service.clock.now(), retry_after=answer.headers["Retry-After"]
        )
        return float(answer.read())


@service.push("/push", timeout="task.worker", key=work_of)
def predict(message: PushMessage) -> None:
    """Write the prediction and count it, in the commit that marks the message done."""
    batch, player = message.attribute("batch"), message.attribute("player")
    points = recent_form(player)
    prediction = Create(f"predictions/{encode_id(f'{batch}-{player}')}", {"points": points})
    current_claim().write(prediction, Update(f"example_batches/{encode_id(batch)}", {"predictions": Increment(1)}))
    log.info("predicted", extra={"player": player, "points": points})
