from __future__ import annotations

from nbactl.core._support.aio import Cancellation


def test_subscribers_hear_of_the_first_request_once() -> None:
    cancellation, heard = Cancellation(), list[str]()
    cancellation.subscribe(heard.append)
    assert not cancellation.requested
    cancellation.request("SIGINT")
    cancellation.request("SIGTERM")
    assert heard == ["SIGINT"]
    assert (cancellation.requested, cancellation.reason) == (True, "SIGINT")


def test_who_comes_late_hears_at_once() -> None:
    cancellation, heard = Cancellation(), list[str]()
    cancellation.request("SIGINT")
    cancellation.subscribe(heard.append)
    assert heard == ["SIGINT"]


def test_who_left_hears_nothing() -> None:
    cancellation, heard = Cancellation(), list[str]()
    leave = cancellation.subscribe(heard.append)
    leave()
    leave()
    cancellation.request("SIGINT")
    assert heard == []


def test_a_signal_handler_may_interrupt_a_request() -> None:
    cancellation, heard = Cancellation(), list[str]()

    def handler(reason: str) -> None:
        heard.append(reason)
        cancellation.request("SIGTERM")

    cancellation.subscribe(handler)
    cancellation.request("SIGINT")
    assert heard == ["SIGINT"]
