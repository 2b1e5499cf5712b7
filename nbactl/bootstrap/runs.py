"""Runs and the data that they work on, built from the container."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final, Protocol, cast

from nbactl.config.given import PLACE_OPTIONS, given_options

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from nbactl.bootstrap.container import Container
    from nbactl.core.calls.policy import CallPolicy
    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.sources.base import GameSource
    from nbactl.pipeline.versions import PipelineVersions
    from nbactl.ports.compute import SetCompute
    from nbactl.ports.documents import Write
    from nbactl.ports.warehouse import TableSchema, Warehouse
    from nbactl.warehouse.buffer import RowBuffer
    from nbactl.warehouse.kinds import QueryKind
    from nbactl.workflows.freshness import Freshness
    from nbactl.workflows.ledger import Ledger
    from nbactl.workflows.model import RunRecord
    from nbactl.workflows.planner import Planner
    from nbactl.workflows.production import Production
    from nbactl.workflows.runner import Runner


def make_warehouse(app: Container) -> Warehouse:
    """Return the warehouse of the target behind the query cache."""
    from nbactl.core import flags
    from nbactl.warehouse.costs.cache_counts import CacheCounts
    from nbactl.warehouse.gateway import QueryGateway

    return QueryGateway(
        app.target.warehouse(app),
        app.clock,
        enabled=lambda request: flags.on("query_caching", request),
        ttl=cache_ttl(app, flags),
        counts=None if app.reads_only else CacheCounts(lambda: app.documents, app.clock),
        project=app.settings.project,
        max_bytes=_most_bytes(app),
        hook=app.hook,
    )


class _Parameters(Protocol):
    """What has the parameters of flags: a client, or the face of the core."""

    def parameter(self, name: str, default: int) -> int: ...


def cache_ttl(app: Container, flags: _Parameters) -> Callable[[QueryKind], float]:
    """Return what gives the seconds that a result of a kind of query is kept."""

    def ttl(kind: QueryKind) -> float:
        if kind == "other":
            return float(flags.parameter("QUERY_CACHE_TTL_SECONDS", 0))
        timeouts = app.config.timeouts
        return timeouts["warehouse.cache_logs"] if kind == "logs" else timeouts["warehouse.cache_decisions"]

    return ttl


def _most_bytes(app: Container) -> int | None:
    """Return what a query may bill that nbactl makes for itself: nobody is asked, and a mistake must not be dear."""
    if app.settings.target == "local":
        return None
    from nbactl.warehouse.prices import prices_in

    return prices_in(app.settings.dataset_location).bytes_for(app.settings.query_max_usd)


def make_row_buffer(app: Container) -> RowBuffer:
    """Return the buffer of the rows for the warehouse of the target and, on local, of the source."""
    from nbactl.core.lease.holder import process_identity
    from nbactl.warehouse.buffer import BufferTimes, RowBuffer

    def create(warehouse: Warehouse, table: str) -> None:
        from nbactl.warehouse.tables import ensure_tables

        ensure_tables(warehouse, (table,))

    timeouts = app.config.timeouts
    return RowBuffer(
        app.documents,
        app.clock,
        BufferTimes(
            age=timeouts["rows.age"],
            flush=timeouts["rows.flush"],
            at_end=timeouts["rows.at_end"],
            lease=timeouts["rows.lease"],
        ),
        place=lambda: "gcp" if app.settings.target == "gcp" else app.source.key,
        owner=lambda: process_identity(app.ids.new("flush")),
        warehouse=lambda: app.warehouse,
        create=create,
    )


def make_ledger(app: Container) -> Ledger:
    """Return the ledger, which commits the end of a run together with its row for the warehouse."""
    from nbactl.core.lease.holder import is_dead
    from nbactl.workflows.ledger import Ledger

    def report(run: RunRecord) -> Sequence[Write]:
        from nbactl.workflows.executions import EXECUTION_KEY, EXECUTIONS, execution_row

        row = execution_row(run)
        return () if row is None else (app.row_buffer.write(EXECUTIONS, EXECUTION_KEY, row),)

    return Ledger(app.documents, app.clock, is_dead=is_dead, notice=app.notice, report=report)


def make_processor_resources(app: Container) -> ProcessorResources:
    """Return what processors work with."""
    from nbactl.pipeline.aliases import read_aliases
    from nbactl.pipeline.processor import ProcessorResources
    from nbactl.pipeline.rawstore import RawStore

    def create_tables(warehouse: Warehouse, names: Sequence[str]) -> None:
        from nbactl.warehouse.tables import ensure_tables

        ensure_tables(warehouse, names)

    def schema_of(table: str) -> TableSchema:
        from nbactl.warehouse.tables import declared_table

        return declared_table(table)

    return ProcessorResources(
        warehouse=lambda: app.warehouse,
        source=lambda: app.source,
        raw=RawStore(app.data_dir / "raw", given_options(app.settings, ("source", *PLACE_OPTIONS))),
        exports=app.data_dir / "exports",
        timeouts=app.config.timeouts,
        create_tables=create_tables,
        schema_of=schema_of,
        aliases=lambda: read_aliases(_alias_folders(app)),
    )


def _alias_folders(app: Container) -> list[Path]:
    """Return where aliases.csv may be: beside the configuration, and in the folder of the source."""
    from nbactl.pipeline.sources.path import PathSource

    folders = [app.config.files["workflows"].parent]
    return [*folders, app.source.folder] if isinstance(app.source, PathSource) else folders


def make_versions(app: Container) -> PipelineVersions:
    """Return what answers whether finished tasks are still fresh."""
    from nbactl.pipeline.versions import PipelineVersions

    return PipelineVersions(app.processor_resources)


def make_freshness(app: Container) -> Freshness:
    """Return what judges finished runs."""
    from nbactl.workflows.freshness import Freshness
    from nbactl.workflows.settling import Settling

    settling = Settling(app.clock, app.config.timeouts["run.date_settled"])
    return Freshness(app.config.workflows, app.settings.target, lambda: app.versions, settling, app.in_process)


def make_production(app: Container) -> Production:
    """Return what reads what production did."""
    from nbactl.config.expected import expectations
    from nbactl.workflows.production import Production

    timeouts = app.config.timeouts
    return Production(
        app.expectations,
        documents=lambda: app.documents,
        warehouse=lambda: app.warehouse,
        clock=app.clock,
        patience=timeouts["status.hand_off"],
        history_timeout=timeouts["status.history"],
        history_ttl=timeouts["status.history_ttl"],
        history_only_with_documents=app.settings.target == "local",
        copied=expectations(app.config.workflows, "gcp"),
    )


def make_planner(app: Container) -> Planner:
    """Return what turns requests into plans."""
    from nbactl.pipeline.sources.base import uncovered
    from nbactl.workflows.planner import Planner
    from nbactl.workflows.settling import Settling

    planner = Planner(
        app.config.workflows,
        app.config.timeouts,
        history=app.target.history(app),
        source=app.source.key,
        target=app.settings.target,
        game_dates=app.source.game_dates,
        settling=Settling(app.clock, app.config.timeouts["run.date_settled"]),
        versions=lambda: app.versions,
        mode_applies=app.mode_applies,
        source_spec=_from_anywhere(app.settings.source),
        uncovered=lambda days: uncovered(app.source, days),
        in_process=app.in_process,
    )
    return app.target.fit_planner(app, planner)


def _from_anywhere(spec: str) -> str:
    """Return what names the source from any working directory."""
    kind, _, folder = spec.partition(":")
    return f"path:{Path(folder).expanduser().absolute()}" if kind == "path" else spec


FOLLOWED: Final = "last run"
"""The origin of a source that was taken from the ledger."""


def follow_last_source(app: Container) -> RunRecord | None:
    """Have the container use the source of the newest run, unless one was chosen; returns that run if it does.

    Call it before the source is first used. A source whose folder is not recorded is not followed, and this is noticed.
    """
    if app.settings.origins.get("source") not in ("default", FOLLOWED):
        return None
    newest = next(app.ledger.heads(limit=1), None)
    if newest is None:
        return None
    if not follow_source(app, newest):
        app.notice(f"the newest run used {newest.source}; to see that source, name its folder with --source")
        return None
    return newest


def follow_source(app: Container, run: RunRecord) -> bool:
    """Have the container use the source of a run; returns False where the folder of that source is not recorded."""
    spec = run.source_spec or run.source
    if spec.startswith("path-"):
        return False
    origins = MappingProxyType({**app.settings.origins, "source": FOLLOWED})
    app.settings = dataclasses.replace(app.settings, source=spec, origins=origins)
    return True


def make_runner(app: Container) -> Runner:
    """Return what executes requests; every run and task is an event for the hook."""
    from nbactl.core.lease.holder import process_identity
    from nbactl.workflows.engine import Engine
    from nbactl.workflows.runner import Runner

    timeouts, compute = app.config.timeouts, app.compute
    sets = cast("SetCompute", compute) if app.planner.place == "process" else None
    return Runner(
        planner=app.planner,
        engine=Engine(compute, app.ledger, app.clock, app.rng, timeouts["run.stop_grace"], sets),
        ledger=app.ledger,
        leases=app.leases,
        timeouts=timeouts,
        clock=app.clock,
        ids=app.ids,
        owner=process_identity,
        hook=app.hook,
    )


def make_source(app: Container) -> GameSource:
    """Return the source of game data. Raises UsageError for a source that does not exist."""
    from nbactl.pipeline.sources import open_source

    def scraper_policy() -> CallPolicy:
        """Return how scrapers call: one breaker and one budget for all, in step with other processes."""
        policy = app.policies["scraper"]
        app.breaker_beat.start()
        return policy

    state = app.settings.state_dir / "data"
    return open_source(app.settings.source, app.clock, app.config.timeouts, policy=scraper_policy, state=state)
