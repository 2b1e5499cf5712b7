"""What an operator publishes is read by the consumers of its topic, and what they would refuse is refused."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from nbactl.config.expected import expectations
from nbactl.config.loader import load_config, shipped_config_dir
from nbactl.core._support.gamedate import GameDate
from nbactl.core.phases.messages import parse_completion, parse_trigger
from nbactl.core.service.push import PushMessage
from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.services.batches import parse_ready
from nbactl.services.coordinator import _ready_key, _trigger_key
from nbactl.services.manual import Circumstances, Values, form_of, make_messages, reporting, topic_forms
from nbactl.services.worker import _request_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from nbactl.services.manual import TopicForm

FILE = load_config(shipped_config_dir()).workflows
FORMS = topic_forms(FILE)
KNOWN = expectations(FILE, "gcp")
NOW = datetime(2025, 1, 7, 11, tzinfo=UTC)
DAY = GameDate.iso("2025-01-06")
GIVEN: dict[str, dict[str, Any]] = {
    "completion": {"rows": 25},
    "trigger": {},
    "request": {"batch": "b1", "player": "lebronjames"},
    "ready": {"batch": "b1", "player": "lebronjames", "predictions": 5},
}
PROCESSORS = {
    "phase1": "player_boxscores", "phase2": "p2_nbacom_boxscores", "phase3": "PlayerGameSummaryProcessor",
    "phase4": "ml_feature_store_v2", "phase5": "player_prop_predictions", "phase6": "predictions_export",
}  # fmt: skip
TABLES = KNOWN["phase3"].of("overnight").names


def values_of(form: TopicForm, **changes: Any) -> Values:
    given = {**GIVEN[form.kind], **({"processor": PROCESSORS[form.phase]} if form.kind == "completion" else {})}
    return Values(DAY, **{**given, **changes})


def circumstances(form: TopicForm, attempt: int | None = 2) -> Circumstances:
    tables = KNOWN[form.before].of("overnight").names if form.before else ()
    known = reporting(FILE, form, KNOWN[form.phase].known)
    return Circumstances(NOW, "overnight", "corr-1", attempt, tables, known)


def made(form: TopicForm, attempt: int | None = 2, **changes: Any) -> list[dict[str, Any]]:
    messages = make_messages(form, values_of(form, **changes), circumstances(form, attempt))
    return [json.loads(json.dumps(message)) for message in messages]


def test_every_topic_of_production_has_a_form() -> None:
    kinds = {form.topic: (form.kind, form.phase) for form in FORMS.values()}
    completions = ("phase1-scrapers", "phase2-raw", "phase3-analytics", "phase4-precompute", "phase5-predictions")
    expected = {f"nba-{name}-complete": ("completion", name.partition("-")[0]) for name in completions}
    assert kinds == {
        **expected,
        "nba-phase6-export-complete": ("completion", "phase6"),
        "nba-phase3-trigger": ("trigger", "phase3"),
        "nba-phase4-trigger": ("trigger", "phase4"),
        "nba-predictions-trigger": ("trigger", "phase5"),
        "nba-phase6-export-trigger": ("trigger", "phase6"),
        "prediction-request-prod": ("request", "phase5"),
        "prediction-ready-prod": ("ready", "phase5"),
    }


@pytest.mark.parametrize("topic", [topic for topic, form in FORMS.items() if form.kind == "completion"])
def test_a_completion_is_read_as_it_was_meant(topic: str) -> None:
    form = FORMS[topic]
    [message] = made(form)
    read = parse_completion(message)
    assert (read.processor, read.game_date, read.status, read.rows) == (PROCESSORS[form.phase], DAY, "success", 25)
    assert (read.phase, read.at) == (form.phase, NOW)
    production = {
        "processor_name", "phase", "game_date", "output_table", "output_dataset", "status", "record_count",
        "execution_id", "correlation_id", "metadata", "timestamp",
    }  # fmt: skip
    assert message.keys() == production


@pytest.mark.parametrize("topic", [topic for topic, form in FORMS.items() if form.kind == "trigger"])
def test_a_start_is_that_of_the_round_and_read_as_it_was_meant(topic: str) -> None:
    form = FORMS[topic]
    messages = made(form, reason="it was lost")
    for message in messages:
        read = parse_trigger(form.phase, message)
        assert (read.key, read.reason, read.mode) == (f"{form.phase}/{DAY}/2", "it was lost", "overnight")
        assert message["trigger_source"] == "nbactl publish"
    assert all("attempt" not in message for message in made(form, None))


def test_phase_4_is_started_with_a_message_for_each_table_of_phase_3_as_production_has_it() -> None:
    messages = made(FORMS["nba-phase4-trigger"])
    assert [message["source_table"] for message in messages] == list(TABLES)
    assert len(TABLES) == 5
    production = {
        "source_table", "analysis_date", "game_date", "success", "correlation_id", "trigger_source", "mode",
        "trigger_reason",
    }  # fmt: skip
    assert all(production <= message.keys() for message in messages)
    assert {message["success"] for message in messages} == {True}


def test_phase_6_is_started_with_what_to_export_and_its_date() -> None:
    [message] = made(FORMS["nba-phase6-export-trigger"])
    assert (message["export_types"], message["target_date"]) == (["predictions"], str(DAY))


@pytest.mark.parametrize(
    ("topic", "key", "expected"),
    [
        ("prediction-request-prod", _request_key, "predict/b1/lebronjames"),
        ("prediction-ready-prod", _ready_key, "complete/b1/lebronjames"),
        ("nba-predictions-trigger", _trigger_key, f"phase5/{DAY}/2"),
    ],
)
def test_services_know_the_work_of_a_message(topic: str, key: Callable[[PushMessage], str], expected: str) -> None:
    [message] = made(FORMS[topic])
    assert key(PushMessage("1", json.dumps(message).encode())) == expected


def test_a_prediction_request_and_a_done_player_have_the_fields_of_production() -> None:
    [request] = made(FORMS["prediction-request-prod"])
    required = {"player_lookup", "game_date", "batch_id", "correlation_id", "timestamp", "prediction_run_mode"}
    assert request.keys() == required
    [ready] = made(FORMS["prediction-ready-prod"])
    assert parse_ready(ready) == ("b1", "lebronjames", 5)


@pytest.mark.parametrize(
    "name", ["player_game_summary", "PlayerGameSummaryProcessor", "AsyncPlayerGameSummaryProcessor"]
)
def test_a_processor_may_be_named_in_each_spelling_of_production(name: str) -> None:
    [message] = made(FORMS["nba-phase3-analytics-complete"], processor=name)
    assert message["processor_name"] == name


@pytest.mark.parametrize(
    ("topic", "changes", "error", "said"),
    [
        ("nba-phase3-analytics-complete", {"processor": None}, UsageError, "needs --processor"),
        ("nba-phase3-analytics-complete", {"processor": "player_game_sumary"}, UsageError, "is not a processor of"),
        ("nba-phase3-analytics-complete", {"batch": "b1"}, UsageError, "--batch is not for a completion"),
        ("nba-phase3-analytics-complete", {"fields": {"status": "done"}}, DataError, "'done' is not a status"),
        ("nba-phase3-analytics-complete", {"fields": {"record_count": -1}}, DataError, "record_count"),
        ("nba-phase3-trigger", {"fields": {"game_date": "2025-01-08"}}, UsageError, "changes the game date"),
        ("nba-phase3-trigger", {"fields": {"attempt": "x"}}, DataError, "attempt"),
        ("prediction-request-prod", {"player": None}, UsageError, "needs --player"),
        ("prediction-request-prod", {"batch": None, "player": None}, UsageError, "needs --batch and --player"),
        ("prediction-request-prod", {"fields": {"batch_id": ""}}, DataError, "no batch_id"),
        ("prediction-request-prod", {"fields": {"game_date": "2025-01-08"}}, UsageError, "changes the game date"),
        ("prediction-ready-prod", {"predictions": None}, UsageError, "needs --predictions"),
        ("prediction-ready-prod", {"fields": {"predictions_generated": "5"}}, DataError, "predictions_generated"),
    ],
)
def test_what_a_consumer_would_refuse_is_refused_by_name(
    topic: str, changes: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        made(FORMS[topic], **changes)


def test_an_unknown_topic_is_refused_with_the_closest_one() -> None:
    with pytest.raises(NotFoundError) as refused:
        form_of(FILE, "nba-phase3-triger")
    assert refused.value.next_step == "Did you mean 'nba-phase3-trigger'?"


def test_a_field_replaces_what_the_form_says() -> None:
    [message] = made(FORMS["nba-phase3-analytics-complete"], fields={"output_table": "t", "status": "partial"})
    assert (message["output_table"], parse_completion(message).status) == ("t", "partial")
