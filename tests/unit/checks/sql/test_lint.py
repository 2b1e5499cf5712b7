"""What `bq lint` promises whatever the rules are: where findings are, what is not looked at, and that it ends."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from nbactl.checks.code.content import Analysis, analyse
from nbactl.checks.code.engine import Checked, check_files
from nbactl.checks.code.files import MAX_BYTES
from nbactl.checks.code.fixing import fix_all
from nbactl.checks.sql.declared import read_tables
from nbactl.checks.sql.statements import statements_in
from nbactl.checks.sql.tables import KnownTable, Tables, known_table
from nbactl.errors import DataError, NotFoundError, UsageError
from nbactl.pipeline.registry import PROCESSORS
from nbactl.pipeline.statements import table_sql
from nbactl.warehouse.tables import load_tables
from tests.kit.paths import ROOT

if TYPE_CHECKING:
    from pathlib import Path

TABLES = Tables(known_table(schema, size=12_400_000_000) for schema in load_tables().values())
FAULT = "SELECT game_id FROM nba_raw.games WHERE season = 'x'"
MISSING = "partition-filter-missing"


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def code(tmp_path: Path) -> Path:
    place = tmp_path / "code"
    place.mkdir()
    return place


def sql(text: str, tables: Tables = TABLES) -> list[tuple[int, int, str]]:
    return shown(analyse(text.encode(), "sql", tables))


def python(text: str) -> list[tuple[int, int, str]]:
    return shown(analyse(text.encode(), "embedded", TABLES))


def shown(analysis: Analysis) -> list[tuple[int, int, str]]:
    return [(each.hit.line, each.hit.column, each.hit.rule) for each in analysis.hits]


def found(checked: Checked) -> list[tuple[str, int, str]]:
    return [(each.path.name, each.line, each.rule) for each in checked.findings]


def test_a_finding_says_what_is_read_how_large_it_is_and_where() -> None:
    text = "-- a comment\r\nSELECT\tgame_id\r\nFROM nba_raw.games\r\n"
    (located,) = analyse(text.encode(), "sql", TABLES).hits
    assert located.hit.message == "nba_raw.games (12.4 GB) is read without a filter on game_date"
    assert (located.hit.line, located.hit.column, located.hit.table) == (3, 6, "nba_raw.games")
    assert located.hit.span == (2, 3)
    assert located.text == "FROM nba_raw.games"


@pytest.mark.parametrize(
    "script",
    [
        f"BEGIN {FAULT}; EXCEPTION WHEN ERROR THEN SELECT 1; END",
        f"BEGIN SELECT 1; EXCEPTION WHEN ERROR THEN {FAULT}; END;",
        f"IF EXISTS ({FAULT}) THEN SELECT 1; END IF;",
        f"IF a THEN SELECT 1; ELSEIF b THEN {FAULT}; ELSE SELECT 2; END IF;",
        f"IF a THEN SELECT 1; ELSE SELECT 2; END IF; {FAULT};",
        f"LOOP {FAULT}; BREAK; END LOOP;",
        f"WHILE a DO {FAULT}; END WHILE;",
        f"REPEAT {FAULT}; UNTIL a END REPEAT;",
        f"FOR r IN ({FAULT}) DO SELECT 1; END FOR;",
        f"again: LOOP {FAULT}; LEAVE again; END LOOP again;",
        f"CASE WHEN a THEN {FAULT}; ELSE SELECT 1; END CASE;",
        f"DECLARE x STRING DEFAULT ({FAULT});",
        f"DECLARE x, y STRING; SET x = ({FAULT});",
        f"BEGIN TRANSACTION; {FAULT}; COMMIT TRANSACTION;",
        f"CREATE OR REPLACE PROCEDURE d.p(x INT64, OUT y STRING) BEGIN {FAULT}; END;",
        f"EXPORT DATA OPTIONS (uri = 'gs://x/*') AS {FAULT}",
        f"CREATE MODEL d.m OPTIONS (model_type = 'x') AS {FAULT}",
        f"CREATE TABLE d.n CLUSTER BY a DESC AS {FAULT}",
        f"CALL d.p(1); EXECUTE IMMEDIATE 'x' USING 1; {FAULT};",
        f"ASSERT EXISTS ({FAULT}) AS 'x';",
        f"GRANT `roles/x` ON TABLE d.t TO 'user:x'; {FAULT}",
    ],
)
def test_a_script_is_looked_at_whole(script: str) -> None:
    assert [rule for *_, rule in sql(script) if rule == MISSING] == [MISSING], script
    assert "not-parsed" not in [rule for *_, rule in sql(script)]


def test_arguments_of_a_procedure_and_variables_are_constants() -> None:
    text = "SELECT game_id FROM nba_raw.games WHERE game_date = day"
    assert sql(f"CREATE PROCEDURE d.p(day DATE) BEGIN {text}; END") == []
    assert sql(f"DECLARE first, day DATE; {text}") == []
    assert sql(text) != []


def test_a_view_is_followed_to_its_tables() -> None:
    tables = TABLES.add(
        [
            KnownTable("nba_raw.recent", query="SELECT game_date AS day, game_id FROM nba_raw.games"),
            KnownTable("nba_raw.both", query="SELECT * FROM nba_raw.recent"),
            KnownTable("nba_raw.itself", query="SELECT * FROM nba_raw.itself"),
            KnownTable("nba_raw.broken", query="SELECT FROM"),
        ]
    )
    assert sql("SELECT game_id FROM nba_raw.both WHERE day = @day", tables) == []
    (located,) = analyse(b"SELECT 1 AS one, game_id\nFROM nba_raw.both", "sql", tables).hits
    assert (located.hit.line, located.hit.column) == (2, 6)
    assert "through the view nba_raw.both" in located.hit.message
    assert sql("SELECT a FROM nba_raw.itself UNION ALL SELECT a FROM nba_raw.broken", tables) == []


def test_ddl_declares_tables_and_views(code: Path) -> None:
    (code / "tables.sql").write_text(
        "CREATE SCHEMA d; CREATE TABLE d.t (Day DATE, a INT64) PARTITION BY Day CLUSTER BY a;\n"
        "CREATE TABLE d.hours (a INT64) PARTITION BY TIMESTAMP_TRUNC(_PARTITIONTIME, HOUR);\n"
        "CREATE TABLE d.ranges (n INT64) PARTITION BY RANGE_BUCKET(n, GENERATE_ARRAY(0, 100, 10));\n"
    )
    (code / "views.sql").write_text("CREATE VIEW d.v AS SELECT day, a FROM d.t;")
    tables = Tables(read_tables([code]))
    for bad in ("SELECT a FROM d.v", "SELECT a FROM d.t", "SELECT a FROM d.hours", "SELECT n FROM d.ranges"):
        assert [rule for *_, rule in sql(bad, tables)] == [MISSING], bad
    for good in (
        "SELECT a FROM d.v WHERE DAY = @day",
        "SELECT a FROM d.hours WHERE _PARTITIONTIME > @x",
        "SELECT n FROM d.ranges WHERE n < 5",
    ):
        assert sql(good, tables) == [], good
    with pytest.raises(NotFoundError):
        read_tables([code / "nowhere"])
    (code / "views.sql").write_text("SELECT 1;\nCREATE TABLE d.t (a")
    with pytest.raises(DataError, match=r"views\.sql:2"):
        read_tables([code])
    (code / "tables.sql").write_text("SELECT 1")
    (code / "views.sql").write_text("SELECT 1")
    with pytest.raises(UsageError):
        read_tables([code])


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("sql = 'SELECT game_id FROM nba_raw.games'\n", [1]),
        ('sql = """\n  SELECT game_id\n  FROM nba_raw.games\n"""\n', [3]),
        ("sql = (\n  'SELECT game_id '\n  'FROM nba_raw.games'\n)\n", [2]),
        ("sql = f'SELECT game_id FROM `{project}.nba_raw.games` WHERE season = {season!r}'\n", [1]),
        ("TABLE = 'nba_raw.games'\ndef f(x):\n  return f'SELECT game_id FROM {TABLE} WHERE season = {x}'\n", [3]),
        ("sql = 'SELECT game_id FROM {}.games WHERE x = {name}'.format(dataset, name=name)\n", [1]),
        ("sql = 'SELECT game_id FROM nba_raw.%s WHERE season = %(s)s' % ('games',)\n", []),
        ("sql = 'SELECT game_id FROM nba_raw.games WHERE season = %s' % season\n", [1]),
        ("BASE = 'SELECT game_id FROM nba_raw.games '\nsql = BASE + 'WHERE season = @season'\n", [1]),
        ("BASE = 'SELECT game_id FROM nba_raw.games '\nsql = BASE + 'WHERE game_date = @day'\n", []),
        ("sql = 'SELECT game_id FROM nba_raw.games ' + where\n", []),
        ("sql = f'SELECT game_id FROM nba_raw.games {where}'\n", []),
        ("sql = f'SELECT game_id FROM nba_raw.games AS g {where} ORDER BY 1'\n", []),
        ("sql = f'SELECT game_id FROM nba_raw.games WHERE {conditions} AND season = 1'\n", []),
        ("sql = f'SELECT game_id FROM nba_raw.games WHERE season = 1 {more}'\n", []),
        ("sql = 'SELECT game_id FROM nba_raw.games'\nif day:\n  sql += ' WHERE game_date = @day'\n", []),
        ("parts = ['SELECT game_id FROM nba_raw.games']\nparts.append('WHERE game_date = @day')\n", [1]),
        ("sql = ' '.join(['SELECT game_id FROM nba_raw.games', 'WHERE game_date = @day'])\n", []),
        ('"""SELECT game_id FROM nba_raw.games"""\n', []),
        ("print('Select a game from nba_raw.games')\n", []),
        ("sql = f'MERGE {table} AS t USING {staged} AS s ON t.a = s.a WHEN MATCHED THEN UPDATE SET {all}'\n", []),
    ],
)
def test_sql_in_python_is_found_with_its_holes(text: str, lines: list[int]) -> None:
    hits = python(text)
    assert [line for line, _, _ in hits] == lines
    assert {rule for *_, rule in hits} <= {MISSING}


def test_a_text_that_begins_with_many_comments_takes_no_time() -> None:
    before = time.process_time()
    comments = "/* a */ -- b\n # c\n" * 2000
    assert python(f"sql = {comments + 'no SQL'!r}\n") == []
    assert [line for line, _, _ in python(f"sql = {'/* a */ (' + FAULT + ')'!r}\n")] == [1]
    assert time.process_time() - before < 2


def test_sql_of_another_database_in_python_is_left_alone() -> None:
    text = "db.execute('SELECT a::int FROM users, orders')\n"
    assert python(text) == []
    assert {rule for *_, rule in python(f"from google.cloud import bigquery\n{text}")} == {"not-bigquery", "cross-join"}
    assert python(f"from google.cloud import bigquery\nimport psycopg2\n{text}") == []


@pytest.mark.parametrize(
    "template", ["SELECT * FROM {{ ref('x') }}", "{% if a %}SELECT 1{% endif %}", "{# x #} SELECT"]
)
def test_a_template_is_not_looked_at_and_says_so(template: str) -> None:
    analysis = analyse(f"-- first\n{template}".encode(), "sql", TABLES)
    assert (analysis.hits, analysis.unparsed) == ([], [(2, "a Jinja template; render it first")])


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("SELECT 1;\nSELEC 2;", 2),
        ("SELECT 1;\nSELECT a FROM;\nSELECT 2", 2),
        ("SELECT 'x", 1),
        ("SELECT /* x", 1),
        ("SELECT " + "(" * 5000 + "1" + ")" * 5000, 1),
        ("SELECT " + "CASE WHEN a THEN " * 5000 + "1" + " END" * 5000, 1),
        ("SELECT " + "NOT " * 50_000 + "TRUE", 1),
        ("SELECT * FROM " + "(SELECT * FROM " * 3000 + "t" + ")" * 3000, 1),
        ("SELECT " + "[" * 3000 + "]" * 3000, 1),
        ("SELECT " + "(" * 101 + "1" + ")" * 101, 1),  # the parser itself would take it
    ],
)
def test_what_is_no_sql_is_a_finding_soon(text: str, line: int) -> None:
    before = time.process_time()
    analysis = analyse(text.encode(), "sql", TABLES)
    assert [(each.hit.line, each.hit.rule) for each in analysis.hits] == [(line, "not-parsed")]
    assert [at for at, _ in analysis.unparsed] == [line]
    assert time.process_time() - before < 5


@pytest.mark.parametrize(
    "call",
    [
        "ML.WEIGHTS(MODEL `d.m`)",
        "ML.RECOMMEND(MODEL d.m)",
        "ML.METRICS(TABLE `d.t`, STRUCT('x' AS label_col))",
        "ML.ENTITY_FEATURES_AT_TIME(TABLE `d.features`, TABLE entities, num_rows => 1)",
        "EXTERNAL_OBJECT_TRANSFORM(TABLE d.t, ['SIGNED_URL'])",
    ],
)
def test_table_functions_of_models_and_tables_are_looked_at(call: str) -> None:
    text = f"SELECT * FROM {call};\n{FAULT};\nSELECT * FROM {call} WHERE (SELECT game_id FROM nba_raw.games) = 'x'"
    analysis = analyse(text.encode(), "sql", TABLES)
    assert [(each.hit.line, each.hit.rule) for each in analysis.hits] == [(2, MISSING), (3, MISSING)]
    assert analysis.unparsed == []


def test_long_chains_and_many_statements_are_looked_at() -> None:
    assert sql("SELECT game_id FROM nba_raw.games WHERE " + " AND ".join(["season = 'x'"] * 3000)) != []
    assert sql("SELECT 1" + " UNION ALL SELECT 1" * 2000) == []
    assert len(sql(f"{FAULT};\n" * 300)) == 300


def test_of_tests_nothing_is_reported(code: Path) -> None:
    (code / "tests").mkdir()
    (code / "tests" / "a.sql").write_text(FAULT)
    (code / "tests" / "b.sql").write_text("SELECT {{ a }}")
    checked = check_files([code], tables=TABLES)
    assert (checked.files, checked.findings, checked.unparsed) == (2, [], [])


def test_a_file_that_is_too_large_is_a_finding(code: Path) -> None:
    (code / "big.sql").write_text("SELECT 1;\n" * (5 * MAX_BYTES // 10))
    checked = check_files([code], tables=TABLES)
    assert found(checked) == [("big.sql", 1, "not-parsed")]


@pytest.mark.parametrize(
    "content", [b"\xef\xbb\xbfSELECT 1", b"", b"\xff\xfe\x00", b"-- only\n", b";;;", b"\r\r", b"\0"]
)
def test_unusual_files_do_not_crash_it(content: bytes) -> None:
    assert {each.hit.rule for each in analyse(content, "sql", TABLES).hits} <= {"not-parsed"}


def test_a_comment_leaves_a_finding_out_and_one_that_does_not_is_a_finding(code: Path) -> None:
    because = f"nbactl: ignore[{MISSING}] read once a year"
    (code / "a.sql").write_text(
        f"-- {because}\n{FAULT};\nSELECT game_id\nFROM nba_raw.games -- {because}\n;\n"
        f"SELECT 1; -- {because}\n{FAULT};  -- {because.partition(' read')[0]}\n"
    )
    (code / "b.py").write_text(
        f"first = 'SELECT game_id FROM nba_raw.games'  # {because}\n"
        f'second = """\nSELECT game_id\nFROM nba_raw.games  -- {because}\n"""\n'
        f'third = """\nSELECT game_id\nFROM nba_raw.games\n"""  # {because}\n'
    )
    assert found(check_files([code], tables=TABLES)) == [
        ("a.sql", 6, "unused-ignore"),
        ("a.sql", 7, MISSING),
        ("a.sql", 7, "invalid-ignore"),
    ]
    assert found(check_files([code], ["bare-except"])) == [], "check code does not ask rules over SQL"


def test_unchanged_files_are_not_looked_at_again_unless_a_table_changes(code: Path) -> None:
    (code / "a.sql").write_text(FAULT)
    (code / "q.py").write_text(f"sql = {FAULT!r}\n")
    first, second = check_files([code], tables=TABLES), check_files([code], tables=TABLES)
    assert (first.analysed, second.analysed) == (2, 0)
    assert first.findings == second.findings != []
    other = check_files([code], tables=TABLES.add([KnownTable("nba_raw.games")]))
    assert (other.analysed, other.findings) == (2, [])


def test_processes_find_the_same(code: Path) -> None:
    for number in range(6):
        (code / f"{number}.sql").write_text(f"{FAULT} AND {number} = 1")
    (code / "q.py").write_text(f"sql = {FAULT!r}\n")
    alone = check_files([code], tables=TABLES).findings
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(code / ".cache"))
        assert check_files([code], tables=TABLES, processes=2).findings == alone
    assert len(alone) == 7


def test_a_fix_keeps_the_meaning_and_a_second_one_changes_nothing(code: Path) -> None:
    file = code / "a.sql"
    file.write_text(
        "-- Größe ==\nSELECT 'ä == b', a FROM d.t TABLESAMPLE (10 PERCENT) WHERE a == 1 AND b==2;\n"
        "CREATE TABLE d.t (a INT64) CLUSTER BY a DESC, b ASC;\n"
    )
    fixed = fix_all(check_files([code], tables=TABLES).findings, dry_run=False)
    assert len(fixed) == 5
    assert file.read_text() == (
        "-- Größe ==\nSELECT 'ä == b', a FROM d.t TABLESAMPLE SYSTEM (10 PERCENT) WHERE a = 1 AND b=2;\n"
        "CREATE TABLE d.t (a INT64) CLUSTER BY a, b;\n"
    )
    assert check_files([code], tables=TABLES).findings == []


def test_the_statements_that_a_dry_run_is_asked_about(code: Path) -> None:
    (code / "a.sql").write_text("SELECT 1;\nSELECT a\nFROM d.t;\nSELECT 2; SELECT 3")
    assert statements_in(code / "a.sql") == {(1, 1): "SELECT 1", (2, 3): "SELECT a\nFROM d.t"}
    (code / "b.sql").write_text("SELECT ${column} FROM d.t")
    assert statements_in(code / "b.sql") == {}
    (code / "c.py").write_text("a = 'SELECT a FROM d.t'\nb = f'SELECT a FROM d.{t}'\n")
    assert statements_in(code / "c.py") == {(1, 1): "SELECT a FROM d.t"}


def test_the_projects_own_sql_is_clean(tmp_path: Path) -> None:
    """The whole tree is looked at by `make lint`; here are the statements as they are put together."""
    checked = check_files([ROOT / "nbactl" / "pipeline", ROOT / "nbactl" / "warehouse"], tables=TABLES)
    assert [(str(each.path), each.line, each.message) for each in checked.findings] == []
    assert checked.files > 100
    written = tmp_path / "statements"
    written.mkdir()
    names = [name for name in PROCESSORS if "nba_" in name]
    for name in names:
        (written / f"{name}.sql").write_text(table_sql(name))
    whole = check_files([written], tables=TABLES)
    assert (whole.files, whole.findings, whole.unparsed) == (len(names), [], [])
