"""The services of phases 5 and 6: coordinator, worker and exporter, built from the container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from nbactl.bootstrap.service import ServiceContainer
    from nbactl.config.workflows import FanOut, Phase
    from nbactl.core._support.gamedate import GameDate
    from nbactl.core.service.service import Service
    from nbactl.pipeline.predict.model import PlayerInputs
    from nbactl.services.batches import BatchCoordinator

_GAMES: Final = "SELECT COUNT(*) FROM nba_raw.games WHERE game_date = @game_date"
_PLAYERS_A_SHARD: Final = 500
_MOST_SHARDS: Final = 20


def make_batch_coordinator(app: ServiceContainer) -> BatchCoordinator:
    """Return what coordinates prediction batches."""
    from nbactl.core.lease.holder import process_identity
    from nbactl.core.phases.decision import was_partial
    from nbactl.core.phases.documents import read_phase
    from nbactl.pipeline.predict.writing import TABLE, merge_predictions
    from nbactl.services.batch_start import BatchLimits, BatchParts
    from nbactl.services.batches import BatchCoordinator

    timeouts = app.config.timeouts
    lease = timeouts.leases["message"]
    phase, fan_out = _phase5(app)

    def has_games(day: GameDate) -> bool:
        app.processor_resources.ensure_tables("nba_raw.games")
        asked, limit = {"game_date": day.day}, timeouts["warehouse.query"]
        return bool(app.warehouse.query(_GAMES, asked, timeout=limit, cache=False).scalar())

    def merge(day: GameDate, rows: Sequence[Mapping[str, Any]], batch_id: str) -> int:
        app.processor_resources.ensure_tables(TABLE)
        limit, labels = timeouts["warehouse.load"], {"batch": batch_id}
        return merge_predictions(app.warehouse, day.day, rows, batch_id=batch_id, timeout=limit, labels=labels)

    def is_partial(day: GameDate) -> bool:
        found = (
            (app.expectations[name], read_phase(app.documents, name, day, app.expectations[name].known))
            for name in phase.needs
        )
        return any(was_partial(document, expectation, app.clock.now()) for expectation, document in found)

    limits = BatchLimits(
        quiet=timeouts["batch.quiet"],
        limit=timeouts["batch.limit"],
        late=timeouts["batch.late"],
        keep=timeouts["batch.keep"],
        lease=lease.ttl,
        renew_every=lease.renew_every,
    )
    return BatchCoordinator(
        BatchParts(
            store=app.documents,
            tracker=app.completions,
            bus=app.bus,
            outbox=app.outbox,
            leases=app.leases,
            clock=app.clock,
            limits=limits,
            owner=lambda: process_identity(app.ids.new(app.name)),
            alert=app.alert,
            has_games=has_games,
            load_inputs=inputs_loader(app),
            merge=merge,
            request_topic=fan_out.request_topic,
            done_topic=phase.topic,
            shards=lambda players: _shards(players) if app.settings.target == "gcp" else 0,
            is_partial=is_partial,
        )
    )


def make_coordinator_service(app: ServiceContainer) -> Service:
    """Return the coordinator, with its clock."""
    from nbactl.services.coordinator import make_coordinator

    coordinator = make_batch_coordinator(app)
    timeouts = app.config.timeouts
    app.in_background("batches", timeouts.interval("batch.sweep"), coordinator.sweep)
    app.in_background("staged rows", timeouts.interval("expiry.sweep"), coordinator.clean)
    return make_coordinator(app, coordinator, app.batches, probe=_predictions_probe(app))


def make_worker_service(app: ServiceContainer) -> Service:
    """Return the worker."""
    from nbactl.services.worker import PredictionWorker, make_worker

    _, fan_out = _phase5(app)
    worker = PredictionWorker(
        app.documents,
        app.completions,
        app.bus,
        app.clock,
        ready_topic=fan_out.ready_topic,
        load_inputs=inputs_loader(app),
        hook=app.hook,
    )
    return make_worker(app, worker, probe=_predictions_probe(app))


def inputs_loader(app: ServiceContainer) -> Callable[[GameDate, Collection[str] | None], Mapping[str, PlayerInputs]]:
    """Return what loads the inputs of players in one query."""

    def load(day: GameDate, players: Collection[str] | None) -> Mapping[str, PlayerInputs]:
        from nbactl.pipeline.predict.history import load_inputs

        return load_inputs(app.processor_resources, day.day, players)

    return load


def _predictions_probe(app: ServiceContainer) -> Callable[[], None]:
    """Return what makes a prediction, and checks that its table can take it; a table that cannot is an alert."""
    from nbactl.services.readiness import TableCheck, try_prediction

    table = TableCheck(
        lambda: app.warehouse,
        app.processor_resources.schema_of,
        app.clock,
        every=app.config.timeouts["batch.table_check"],
        alert=app.alert,
    )

    def probe() -> None:
        try_prediction(app.clock)
        table.check()

    return probe


def _phase5(app: ServiceContainer) -> tuple[Phase, FanOut]:
    """Return phase 5 and its topics of requests. Raises ConfigError where it has none."""
    from nbactl.errors import ConfigError

    phase = app.config.workflows.phases.get("phase5")
    if phase is None or phase.fan_out is None:
        raise ConfigError(
            "workflows.yaml: phases.phase5 has no fan_out", next_step="Name its request and ready topics."
        )
    return phase, phase.fan_out


def _shards(players: int) -> int:
    """Return how many counters share the completions of a batch: one document takes about one write a second."""
    return min(_MOST_SHARDS, players // _PLAYERS_A_SHARD)
