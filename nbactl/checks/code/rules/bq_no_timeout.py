"""BigQuery jobs that are waited for without a limit."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING, Final

from nbactl.checks.code.kinds import kinds_of
from nbactl.checks.code.rule import Rule
from nbactl.checks.code.rules._calls import is_none, keyword, passes_on, receiver

if TYPE_CHECKING:
    from nbactl.checks.code.module import Module, Scope, Site

_NAME: Final = "bq-no-timeout"
_JOBS: Final = frozenset({"bq.query_job", "bq.job"})
_READS: Final = ("to_dataframe", "to_arrow", "to_geodataframe", "to_dataframe_iterable", "to_arrow_iterable")
_MORE: Final = "the client retries for ten minutes and may post the job again. Pass retry=DEFAULT_RETRY.with_timeout(…)"


def _finish(module: Module) -> None:
    _check_calls(module)
    for site in module.calls.get("list", ()):
        if site.call.args and _is_job(module, site.call.args[0], site):
            _report(module, site, "reading the rows of a job waits without a limit. Call result(timeout=…, retry=…)")
    for loop, scope in module.loops:
        if kinds_of(module, loop.iter, scope) & _JOBS and not _is_awaited(module, loop.iter, scope):
            message = "a loop over a job waits for it without a limit. Call result(timeout=…, retry=…)"
            module.report(_NAME, loop.iter, message, scope)


def _check_calls(module: Module) -> None:
    for site in module.calls.get("result", ()):
        if kinds_of(module, receiver(site.call), site.scope) & _JOBS:
            _check(module, site, "result()", limits=("timeout",))
    for name in _READS:
        for site in module.calls.get(name, ()):
            owner = receiver(site.call)
            kinds = kinds_of(module, owner, site.scope)
            if kinds & _JOBS and "bq.rows" not in kinds and not _is_awaited(module, owner, site.scope):
                # These have no retry= of their own, so that their timeout bounds an attempt.
                _report(
                    module, site, f"{name}() waits for the job without a limit. Call result(timeout=…, retry=…) first"
                )
    for site in module.calls.get("query_and_wait", ()):
        if "bq.client" in kinds_of(module, receiver(site.call), site.scope):
            _check(module, site, "query_and_wait()", limits=("wait_timeout", "api_timeout"))


def _is_job(module: Module, node: ast.expr, site: Site) -> bool:
    is_list = isinstance(site.call.func, ast.Name)
    return is_list and bool(kinds_of(module, node, site.scope) & _JOBS) and not _is_awaited(module, node, site.scope)


def _is_awaited(module: Module, node: ast.expr | None, scope: Scope) -> bool:
    """Return whether result() of the same name was called before: that call is the one that waits."""
    return isinstance(node, ast.Name) and any(
        isinstance(owner := receiver(site.call), ast.Name) and owner.id == node.id and site.call.lineno < node.lineno
        for site in module.calls.get("result", ())
        if site.scope is scope
    )


def _check(module: Module, site: Site, what: str, *, limits: tuple[str, ...]) -> None:
    call = site.call
    if passes_on(call):
        return
    places = 4 if what == "result()" else 99
    if len(call.args) >= places:
        return
    if is_none(keyword(call, *limits)):
        _report(module, site, f"{what} waits without a limit. Pass {limits[0]}= and retry=")
        return
    retry = keyword(call, "retry")
    if retry is None or module.dotted(retry).endswith(("DEFAULT_RETRY", "DEFAULT_JOB_RETRY")):
        _report(module, site, f"the timeout of {what} bounds one attempt: {_MORE}")


def _report(module: Module, site: Site, message: str) -> None:
    module.report(_NAME, site.call, message, site.scope)


_IMPORT: Final = "from google.cloud import bigquery\nclient = bigquery.Client()\n"

RULE: Final = Rule(
    name=_NAME,
    severity="error",
    summary="A BigQuery job is waited for without a limit.",
    why=(
        "A job that queues waits as long as BigQuery lets it, and the request, the lease and the phase wait with it. "
        "A timeout alone does not help: it bounds one attempt, and the client's default retry goes on for ten minutes "
        "(measured with google-cloud-bigquery 3.47)."
    ),
    fix=(
        "Call result(timeout=…, retry=DEFAULT_RETRY.with_timeout(…)) with the limit of timeouts.yaml (warehouse.query), "
        "or read through the warehouse port, which does so."
    ),
    bad=(
        f"{_IMPORT}rows = client.query('SELECT 1').result()\n",
        f"{_IMPORT}rows = client.query('SELECT 1').result(timeout=60)\n",
        f"{_IMPORT}job = client.query('SELECT 1')\nrows = job.result()\n",
        f"{_IMPORT}frame = client.query('SELECT 1').to_dataframe()\n",
        f"{_IMPORT}rows = client.query_and_wait('SELECT 1')\n",
        f"{_IMPORT}client.load_table_from_json(rows, 'd.t').result()\n",
        f"{_IMPORT}client.extract_table('d.t', 'gs://b/o').result(timeout=None)\n",
        f"{_IMPORT}for row in client.query('SELECT 1'):\n    print(row)\n",
        f"{_IMPORT}rows = list(client.query('SELECT 1'))\n",
        f"{_IMPORT}def start(sql):\n    return client.query(sql)\nrows = start('SELECT 1').result()\n",
        f"{_IMPORT}def wait(job):\n    return job.result()\nrows = wait(client.query('SELECT 1'))\n",
        "class Loader:\n    def run(self):\n        return self.bq_client.query('SELECT 1').result()\n",
        "from google.cloud.bigquery import Client\nwith Client() as c:\n    c.query('SELECT 1').result()\n",
    ),
    good=(
        f"{_IMPORT}rows = client.query('SELECT 1').result(timeout=limit, retry=bounded)\n",
        f"{_IMPORT}rows = client.query('SELECT 1').result(timeout=limit, retry=None)\n",
        f"{_IMPORT}rows = client.query('SELECT 1').result(**limits)\n",
        f"{_IMPORT}frame = client.query('SELECT 1').result(timeout=limit, retry=bounded).to_dataframe()\n",
        f"{_IMPORT}rows = client.query_and_wait('SELECT 1', wait_timeout=limit, retry=bounded)\n",
        f"{_IMPORT}job = client.query('SELECT 1')\nprint(job.job_id)\n",
        f"{_IMPORT}job = client.query('SELECT 1')\njob.result(timeout=limit, retry=bounded)\nrows = list(job)\n",
        f"{_IMPORT}found = client.query('SELECT 1')\nfound = found.result(timeout=limit, retry=None)\nfound.to_dataframe()\n",
        "from concurrent.futures import ThreadPoolExecutor\nfrom google.cloud import bigquery\n"
        "with ThreadPoolExecutor() as pool:\n    future = pool.submit(work)\n    future.result()\n",
        "match = session.query(Game).filter(x).result()\n",
    ),
    finish=_finish,
    in_tests=False,
)
