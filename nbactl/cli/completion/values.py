"""What a shell offers for arguments and options: names from the configuration, runs from the ledger, states.

A shell asks with stderr closed; where the configuration or the ledger cannot be read it gets no candidates.
"""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Final

# Typer reads the annotations of these functions when a command is built.
import typer  # noqa: TC002

from nbactl.cli.app import container, session
from nbactl.core._support.gamedate import GameDate

if TYPE_CHECKING:
    from nbactl.config.loader import Config

Candidates = list[tuple[str, str]]
_MOST: Final = 100


def executables(ctx: typer.Context) -> Candidates:
    """Return what `nbactl run` takes: all phases at once, phases, workflows, tasks."""
    found = _config(ctx).workflows
    return [
        ("daily", "All phases in order"),
        *((name, phase.description) for name, phase in found.phases.items()),
        *((name, workflow.description) for name, workflow in found.workflows.items()),
        *((name, task.description) for name, task in found.tasks.items()),
    ]


def tasks(ctx: typer.Context) -> Candidates:
    """Return the declared tasks."""
    return [(name, task.description) for name, task in _config(ctx).workflows.tasks.items()]


def topics(ctx: typer.Context) -> Candidates:
    """Return the topics of the phases."""
    from nbactl.services.manual import topic_forms  # noqa: PLC0415 - services are loaded when needed

    forms = topic_forms(_config(ctx).workflows)
    return [(topic, f"{form.kind} of {form.phase}") for topic, form in forms.items()]


def runs(ctx: typer.Context) -> Candidates:
    """Return the newest runs."""
    found = container(ctx, reads_only=True).ledger.list()
    return [("last", "The run that was started last"), *((run.run_id, f"{run.name} {run.game_date}") for run in found)]


def groups(ctx: typer.Context) -> Candidates:
    """Return the newest groups of runs."""
    found = container(ctx, reads_only=True).ledger.list(limit=200)
    newest = {run.group: f"{' '.join(run.requested) or run.name} {run.game_date}" for run in found if run.group}
    return [*newest.items()][:20]


def runs_and_groups(ctx: typer.Context) -> Candidates:
    """Return the newest runs and groups of runs."""
    return [*runs(ctx), *groups(ctx)]


def jobs(ctx: typer.Context) -> Candidates:
    """Return the declared jobs of the scheduler."""
    return [(name, job.description or "") for name, job in _config(ctx).workflows.jobs.items()]


def halts(ctx: typer.Context) -> Candidates:
    """Return the halts of the season that can still be ended."""
    from nbactl.bootstrap.season import make_halts  # noqa: PLC0415

    opened = container(ctx, reads_only=True)
    today = GameDate.of(opened.clock.now())
    return [(halt.id, halt.reason) for halt in make_halts(opened).all() if not halt.is_over(today)]


def run_states() -> list[str]:
    """Return the states that a recorded run can have."""
    from nbactl.cli.runs.command import STATES  # noqa: PLC0415

    return list(STATES)


def origins() -> list[str]:
    """Return whose runs can be listed."""
    from nbactl.cli.runs.production import ORIGINS  # noqa: PLC0415

    return list(ORIGINS)


def log_levels() -> list[str]:
    """Return the log levels."""
    from nbactl.cli.runs.command import LEVELS  # noqa: PLC0415

    return list(LEVELS)


def severities() -> list[str]:
    """Return how severe a line of a service may be."""
    from nbactl.ports.logs import SEVERITIES  # noqa: PLC0415

    return [severity.lower() for severity in SEVERITIES[1:]]


def breakers(ctx: typer.Context) -> list[str]:
    """Return the declared circuit breakers."""
    return list(container(ctx, reads_only=True).config.timeouts.breakers)


def retention_kinds(ctx: typer.Context) -> Candidates:
    """Return the kinds that are pruned."""
    return [(name, spec.why) for name, spec in _config(ctx).timeouts.retention.items()]


def leases(ctx: typer.Context) -> Candidates:
    """Return the leases that are held."""
    from nbactl.core.lease.holder import describe  # noqa: PLC0415

    return [(lease.name, describe(lease.owner)) for lease in container(ctx, reads_only=True).leases.held()]


def flags(ctx: typer.Context) -> Candidates:
    """Return the declared flags."""
    return [(key, flag.description) for key, flag in _config(ctx).flags.flags.items()]


def rollouts(ctx: typer.Context) -> Candidates:
    """Return the flags with a rollout that is running or paused."""
    found, _ = container(ctx, reads_only=True).rollouts.all()
    return [(rollout.key, f"{rollout.status.value} at {rollout.percent:g} %") for rollout in found if rollout.is_open]


def batches(ctx: typer.Context) -> Candidates:
    """Return the newest prediction batches."""
    found = container(ctx, reads_only=True).batches.list()
    states = [
        "unreadable" if batch.progress is None else f"{batch.progress.completed} of {batch.progress.expected} completed"
        for batch in found
    ]
    newest = [("last", "The newest batch")]
    return [*newest, *((batch.batch_id, state) for batch, state in zip(found, states, strict=True))]


def messages(ctx: typer.Context) -> Candidates:
    """Return the messages of the outbox that wait."""
    from nbactl.core.outbox.messages import pending_messages  # noqa: PLC0415

    waiting = islice(pending_messages(container(ctx, reads_only=True).documents), _MOST)
    return [(message.key, message.topic) for message in waiting]


def dead_letters(ctx: typer.Context) -> Candidates:
    """Return the saved dead letters that nobody has decided on."""
    waiting = islice(container(ctx, reads_only=True).dead_letters.open(), _MOST)
    return [(letter.message_id, f"{letter.topic or letter.dead_letter_topic} {letter.state}") for letter in waiting]


def stages() -> list[str]:
    """Return the stages of the completions migration."""
    from nbactl.core.completions.stages import CompletionStage  # noqa: PLC0415

    return [stage.value for stage in CompletionStage]


def tables() -> Candidates:
    """Return the declared tables; a warehouse is not asked, because a shell does not wait for one."""
    from nbactl.warehouse.tables import load_tables  # noqa: PLC0415 - few words need them

    return [(name, schema.description) for name, schema in load_tables().items()]


def datasets() -> list[str]:
    """Return the datasets of the declared tables."""
    return list(dict.fromkeys(name.partition(".")[0] for name, _ in tables()))


def quarantined_tables() -> list[str]:
    """Return the declared tables that have a quarantine."""
    names = [name for name, _ in tables()]
    return [name for name in names if f"{name}_quarantine" in names]


def quarantine_reasons() -> list[str]:
    """Return the reasons for which records are refused."""
    from nbactl.cli.quarantine.command import reasons  # noqa: PLC0415

    return list(reasons())


def config_keys(ctx: typer.Context) -> Candidates:
    """Return the settings, and the keys that are set in the three YAML files."""
    from nbactl.config.explain import keys_of  # noqa: PLC0415 - few words need it
    from nbactl.config.settings import SETTINGS  # noqa: PLC0415

    return [*((setting.name, setting.help) for setting in SETTINGS), *keys_of(_config(ctx))]


def dates() -> list[str]:
    """Return the dates that have a name."""
    return ["latest", "today", "yesterday", "tomorrow"]


def sources() -> list[str]:
    """Return the forms of a source."""
    return ["sample", "path:", "nba_api"]


def services(ctx: typer.Context) -> Candidates:
    """Return the services that workflows.yaml names; what is deployed is not asked for."""
    return [(name, "") for name in _config(ctx).workflows.declared_services]


def _config(ctx: typer.Context) -> Config:
    from nbactl.config.loader import load_config  # noqa: PLC0415 - few words need it

    return load_config(session(ctx).settings.config_dir)
