"""What a service does by its flags: on, off and by percent; with every flag off it does as before."""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
import threading
from contextlib import closing
from datetime import date
from typing import TYPE_CHECKING

import pytest

from nbactl.bootstrap import Container
from nbactl.bootstrap.service import ServiceContainer
from nbactl.config.loader import load_config
from nbactl.config.settings import load_settings
from nbactl.core import flags
from nbactl.core._support.gamedate import GameDate
from nbactl.core.flags.store import ANY_VERSION, Change
from nbactl.core.observe.context import bound, current
from nbactl.core.observe.logging import configure_logging
from nbactl.core.once.claim import current_claim
from nbactl.ports.documents import Increment, Query, Set, Update
from nbactl.workflows.model import RunRequest
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from nbactl.workflows.model import RunPlan

SHIPPED = load_config(None).flags.definitions()
DAYS = [GameDate(date(2024, 12, 1)).plus(number) for number in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def service(folder: Path) -> Iterator[ServiceContainer]:
    made = open_service(folder)
    yield made
    flags.use(None)
    made.flags.close()
    made.health.close()
    made.close()


def open_service(folder: Path) -> ServiceContainer:
    return ServiceContainer("example", load_settings({"state_dir": str(folder / "state")}, {}, folder))


def put(made: Container, key: str, percent: float, *, enabled: bool = True) -> None:
    change = Change(key, ANY_VERSION, percent, enabled=enabled, salt=key, hash_version=1, stage=None)
    made.flag_store.change([change], by="test", reason=None)
    if isinstance(made, ServiceContainer):
        made.flags.refresh()


def modes(made: Container) -> list[str]:
    plans: list[RunPlan] = made.planner.plan(RunRequest(("phase2",), tuple(DAYS), upstream="skip"))
    assert len(plans) == len(DAYS)
    return [plan.mode for plan in plans]


@pytest.mark.parametrize("key", sorted(SHIPPED))
@pytest.mark.parametrize(("percent", "least", "most"), [(0, 0, 0), (50, 400, 600), (100, 1000, 1000)])
def test_each_shipped_flag_is_off_on_and_on_for_its_share(
    service: ServiceContainer, key: str, percent: float, least: int, most: int
) -> None:
    for needed in SHIPPED[key].prerequisites:
        put(service, needed, 100)
    put(service, key, percent)
    on = [service.flags.on(key, f"entity-{number}") for number in range(1000)]
    assert least <= sum(on) <= most
    put(service, key, percent, enabled=False)
    assert not any(service.flags.on(key, f"entity-{number}") for number in range(1000))


def test_a_start_reads_the_flags_and_puts_them_to_use(service: ServiceContainer, folder: Path) -> None:
    put(service, "query_caching", 100)
    assert not flags.on("query_caching", "request")
    service.start()
    assert flags.on("query_caching", "request")
    assert flags.parameter("QUERY_CACHE_TTL_SECONDS", 0) == 3600
    assert (folder / "state" / "flags.json").exists(), "the last known flags, for a start while the store is down"
    assert service.flags.health.failures == 0


def test_a_service_that_starts_while_the_store_is_down_goes_by_the_last_known_flags(
    service: ServiceContainer, folder: Path
) -> None:
    put(service, "query_caching", 100)
    with closing(open_service(folder)) as later:
        assert later.flags.evaluate("query_caching", "request")[:2] == (True, "percent")
        assert later.flags.evaluate("query_caching", "request").source == "disk"


def test_a_command_refreshes_once_and_leaves_neither_thread_nor_file(folder: Path) -> None:
    with Container(load_settings({"state_dir": str(folder / "state")}, {}, folder)) as made:
        put(made, "query_caching", 100)
        before = threading.active_count()
        assert made.flags.on("query_caching", "request")
        assert threading.active_count() == before
    assert not (folder / "state" / "flags.json").exists()


def test_a_message_is_worked_once_where_the_flag_is_on_and_at_each_delivery_where_not(
    service: ServiceContainer,
) -> None:
    service.documents.commit([Set("counts/all", {"count": 0})])

    def deliver(key: str) -> None:
        service.idempotency.run(key, lambda: current_claim().write(Update("counts/all", {"count": Increment(1)})))

    def worked() -> int:
        """Deliver 200 messages twice; return how often their work was done."""
        before = count(service)
        for _ in range(2):
            for number in range(200):
                deliver(f"message-{number}")
        return count(service) - before

    assert worked() == 400
    assert list(service.documents.query(Query("message_dedup"))) == [], "with the flag off there is no book-keeping"
    put(service, "idempotency_keys", 50)
    inside = sum(service.flags.on("idempotency_keys", f"message-{number}") for number in range(200))
    assert 60 < inside < 140
    assert worked() == 400 - inside
    assert worked() == 2 * (200 - inside), "the same messages stay inside"
    put(service, "idempotency_keys", 100)
    assert worked() == 200 - inside
    assert worked() == 0
    put(service, "idempotency_keys", 100, enabled=False)
    assert worked() == 400


def count(made: Container) -> int:
    found = made.documents.get("counts/all")
    assert found is not None
    return int(found.data["count"])


@pytest.mark.parametrize(("environ", "days"), [({}, 7), ({"DEDUP_TTL_DAYS": "30"}, 30), ({"DEDUP_TTL_DAYS": "1"}, 7)])
def test_what_was_done_is_known_for_dedup_ttl_days_and_never_less_than_timeouts_yaml_says(
    folder: Path, environ: dict[str, str], days: int
) -> None:
    settings = load_settings({"state_dir": str(folder / "state")}, {}, folder)
    with Container(settings, environ={"ENABLE_IDEMPOTENCY_KEYS": "1", **environ}) as made:
        made.idempotency_of("worker").run("key", lambda: None)
        record = made.documents.get("message_dedup/key")
    assert record is not None
    assert (record.data["expires_at"] - record.data["processed_at"]).days == days


def test_inv_22_a_service_follows_execution_mode_for_the_dates_that_the_flag_is_on_for(
    service: ServiceContainer, folder: Path
) -> None:
    assert set(modes(service)) == {"sequential"}
    put(service, "parallel_config", 50)
    half = modes(service)
    assert 15 < half.count("parallel") < 45
    assert half == ["parallel" if service.flags.on("parallel_config", str(day)) else "sequential" for day in DAYS]
    put(service, "parallel_config", 100)
    assert set(modes(service)) == {"parallel"}
    put(service, "parallel_config", 100, enabled=False)
    assert set(modes(service)) == {"sequential"}
    with Container(load_settings({"state_dir": str(folder / "state")}, {}, folder)) as command:
        assert set(modes(command)) == {"parallel"}, "a command always does as workflows.yaml says"


def test_completions_follow_the_flags_of_the_service(service: ServiceContainer) -> None:
    assert not service.completion_mode("b").write_subcollection
    put(service, "subcollection_completions", 100)
    assert service.completion_mode("b").write_subcollection


def test_log_records_are_json_where_the_flag_is_on(service: ServiceContainer) -> None:
    root = logging.getLogger()
    handlers, level, hook = list(root.handlers), root.level, threading.excepthook
    out = io.StringIO()
    try:
        configure_logging(
            service="example",
            version="1",
            stream=out,
            structured=lambda: flags.on("structured_logging", current().correlation_id),
        )
        service.start()
        for percent in (0, 50, 100):
            put(service, "structured_logging", percent)
            for number in range(20):
                with bound(correlation_id=f"request-{number}"):
                    logging.getLogger("test").info("at %d", percent)
    finally:
        root.handlers, threading.excepthook = handlers, hook
        root.setLevel(level)
        logging.captureWarnings(capture=False)
    lines = [line for line in out.getvalue().splitlines() if "at " in line]
    structured = [json.loads(line)["message"] for line in lines if line.startswith("{")]
    assert structured.count("at 0") == 0
    assert 3 < structured.count("at 50") < 17
    assert structured.count("at 100") == 20


def test_making_flags_loads_neither_google_nor_openfeature(folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from nbactl.config.settings import load_settings\n"
        "from nbactl.bootstrap import Container\n"
        f"a = Container(load_settings({{'state_dir': {str(folder)!r}}}, {{}}, Path())); a.flags; a.close()\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )

    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert set(done.stdout.split()) & {"google", "grpc", "openfeature", "duckdb"} == set()
