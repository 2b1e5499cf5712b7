from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import pytest

from nbactl.rollouts.health import check_services

if TYPE_CHECKING:
    from pytest_httpserver import HTTPServer


@pytest.mark.parametrize(
    ("status", "body", "green"),
    [
        (200, '{"status": "pass"}', True),
        (200, '{"status": "warn", "output": "breakers: open"}', False),
        (503, '{"status": "fail", "output": "documents: down"}', False),
        (503, '{"status": "pass"}', False),
        (200, "<html>", False),
        (200, "[]", False),
        (404, "not found", False),
    ],
)
def test_a_service_is_green_if_it_says_so_and_is_asked_at_its_health(
    httpserver: HTTPServer, status: int, body: str, green: bool
) -> None:
    httpserver.expect_request("/health").respond_with_data(body, status)
    [found] = check_services({"worker": f"http://127.0.0.1:{httpserver.port}"}, timeout=5.0)
    assert (found.name, found.green) == ("worker", green)
    assert bool(found.detail) is not green


def test_a_service_that_does_not_answer_is_not_green() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        [found] = check_services({"worker": f"http://127.0.0.1:{silent.getsockname()[1]}"}, timeout=0.2)
    assert not found.green
    assert found.detail == "worker did not answer in time"
