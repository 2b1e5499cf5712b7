"""What the composition root makes of the limits for pushes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from nbactl.bootstrap import local
from nbactl.bootstrap.service import ServiceContainer
from nbactl.config.settings import load_settings
from nbactl.ports.bus import PushTarget, Subscription
from tests.kit.push_endpoint import Endpoint, serving

if TYPE_CHECKING:
    from pathlib import Path


def test_a_process_pushes_what_is_published_to_the_bus_of_its_state_directory(tmp_path: Path) -> None:
    made = ServiceContainer("example", load_settings({"state_dir": str(tmp_path / "state")}, {}, tmp_path))
    with closing(made) as app, serving(Endpoint()) as endpoint:
        bus = local.bus(app)
        topic = bus.topics()[0]
        bus.create_subscription(Subscription("worker", topic, topic, push=PushTarget(endpoint.url)))
        with closing(local.push_delivery(app, app.failures)) as delivery:
            delivery.start()
            app.bus.publish(topic, b"news")
            endpoint.wait_for_count(1)
    assert [message.data for message in endpoint.received] == [b"news"]
