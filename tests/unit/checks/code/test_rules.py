"""Each rule reports its bad cases and none of its good ones."""

from __future__ import annotations

from pathlib import Path

import pytest

from nbactl.checks.code import rules as package
from nbactl.checks.code.content import analyse
from nbactl.checks.code.engine import Checked, check_files
from nbactl.checks.code.rule import ENGINE_RULES
from nbactl.checks.code.rules import RULES
from nbactl.checks.code.rules.hardcoded_timeout import ENTRIES
from nbactl.config.loader import load_config
from tests.kit.paths import ROOT

CASES = [
    (rule.name, expected, case)
    for rule in RULES.values()
    if rule.statements is None  # rules over SQL: tests/unit/checks/sql/test_sql_rules.py
    for expected, cases in ((True, rule.bad), (False, rule.good))
    for case in cases
]


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Checked]:
    """All cases in one call, each in a file of its own."""
    folder = tmp_path_factory.mktemp("cases")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))
        for number, (name, _, case) in enumerate(CASES):
            suffix = "sh" if RULES[name].reads is not None else "py"
            (folder / f"case{number}.{suffix}").write_text(case)
        return folder, check_files([folder])


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{name}-{expected}" for name, expected, _ in CASES])
def test_a_case_is_found_or_left_alone(number: int, checked: tuple[Path, Checked]) -> None:
    name, expected, case = CASES[number]
    folder, result = checked
    found = {finding.rule for finding in result.findings if finding.path.stem == f"case{number}"}
    assert folder.is_dir()
    assert (name in found) is expected, f"{case}\nfound: {found}"
    if name != "not-parsed":
        assert "not-parsed" not in found, case


@pytest.mark.parametrize("name", RULES)
def test_a_rule_explains_itself(name: str) -> None:
    rule = RULES[name]
    assert rule.bad
    assert rule.good
    assert rule.summary.endswith(".")
    assert rule.why.rstrip(")").endswith(".") or rule.why.endswith(".")
    assert rule.fix.endswith(".")
    assert sum([bool(rule.visits or rule.finish), rule.reads is not None, rule.statements is not None]) <= 1
    assert rule.visits or rule.finish or rule.reads or rule.statements or rule.ruff or name in ENGINE_RULES


def test_every_file_of_rules_is_asked() -> None:
    files = {path.stem for path in Path(package.__path__[0]).glob("[a-z]*.py")} - {"from_ruff"}
    assert files == {name.replace("-", "_") for name, rule in RULES.items() if rule.visits or rule.finish or rule.reads}


def test_the_entries_of_timeouts_exist() -> None:
    known = load_config(ROOT).timeouts.timeouts
    assert set(ENTRIES.values()) | {"http.request", "documents.read", "alert.slack"} <= set(known)


IMPORT = "from google.cloud import bigquery\n"


@pytest.mark.parametrize(
    "code",
    [
        # An attribute that another method sets, and a property.
        "class A:\n    def __init__(self):\n        self.db = bigquery.Client()\n    def f(self):\n        return self.db.query('x').result()",
        "class A:\n    @property\n    def db(self):\n        return bigquery.Client()\n    def f(self):\n        return self.db.query('x').result()",
        # A class of this module that it extends.
        "class Base:\n    def __init__(self):\n        self.c = bigquery.Client()\nclass A(Base):\n    def f(self):\n        return self.c.query('x').result()",
        # Annotations.
        "def f(c: bigquery.Client):\n    return c.query('x').result()",
        "def f(c: 'bigquery.Client | None' = None):\n    return c.query('x').result()",
        "def f(job: bigquery.QueryJob):\n    return job.result()",
        "def f(bq_client):\n    return bq_client.query('x').result()",
        # One of two values.
        "def f(given=None):\n    c = given or bigquery.Client()\n    return c.query('x').result()",
        "jobs = [bigquery.Client().query(q) for q in queries]\nfor job in jobs:\n    job.result()",
        "if (job := bigquery.Client().query('x')):\n    job.result()",
        # A method of the same class that starts the job.
        "class A:\n    def run(self, q):\n        return self.bq_client.query(q)\n    def f(self):\n        return self.run('x').result()",
        "def outer():\n    c = bigquery.Client()\n    def inner():\n        return c.query('x').result()\n    return inner",
        "match kind:\n    case 'a':\n        bigquery.Client().query('x').result()",
        "f = lambda: bigquery.Client().query('x').result()",
        "async def f():\n    async with a:\n        bigquery.Client().query('x').result()",
        "try:\n    pass\nexcept* ValueError:\n    bigquery.Client().query('x').result()",
    ],
)
def test_a_job_is_followed_to_its_result(code: str) -> None:
    found = [located.hit.rule for located in analyse(f"{IMPORT}{code}\n".encode(), "python").hits]
    assert found.count("bq-no-timeout") == 1, found


LOCK = """
from typing import Optional
from google.cloud import firestore

class Lock:
    def __init__(self, project):
        self.db = firestore.Client(project=project)
        self.held: Optional[firestore.DocumentReference] = None

    def acquire(self, key):
        ref = self.db.collection(f"{key}_locks").document(key)

        @firestore.transactional
        def inside(transaction):
            if ref.get(transaction=transaction).exists:  # 1
                return False
            transaction.set(ref, {"holder": key})
            return True

        if inside(self.db.transaction()):
            self.held = ref

    def release(self):
        self.held.delete()  # 2
        settings = {}
        settings.get("a")

    def all(self):
        query = self.db.collection("locks").where("a", "==", 1)
        query = query.limit(10)
        return [each.to_dict() for each in query.stream()]  # 3
"""


def test_a_document_is_followed_through_a_class() -> None:
    hits = [located.hit for located in analyse(LOCK.encode(), "python").hits]
    found = [LOCK.splitlines()[hit.line - 1][-1] for hit in hits if hit.rule == "firestore-no-timeout"]
    assert found == ["1", "2", "3"]


@pytest.mark.parametrize(
    "code",
    [
        "from concurrent.futures import as_completed\nfor future in as_completed(futures):\n    future.result()",
        "def f(future):\n    return future.result()",
        "client = storage.Client()\nclient.query('x').result()",
        "from influxdb import InfluxDBClient\nclient = InfluxDBClient()\nclient.query('x').result()",
        "import asyncio\ntask = asyncio.create_task(work())\ntask.result()",
    ],
)
def test_other_results_are_no_jobs(code: str) -> None:
    found = [located.hit.rule for located in analyse(f"{IMPORT}{code}\n".encode(), "python").hits]
    assert "bq-no-timeout" not in found
