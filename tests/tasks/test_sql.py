"""SQL as text, and executed in a database that nothing can change."""

import resource
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from research.common.errors import InputError
from research.tasks.metrics import sqlite
from research.tasks.metrics.sql import Database, sql_match

SCRIPT = """
CREATE TABLE city (name TEXT, state TEXT, people INT);
INSERT INTO city VALUES ('Austin', 'Texas', 3), ('Dallas', 'Texas', 5), ('Reno', 'Nevada', 1);
"""


@pytest.fixture
def database(tmp_path: Path) -> Database:
    (tmp_path / "geo.sql").write_text(SCRIPT)
    return Database(str(tmp_path / "geo.sql"))


def test_what_two_queries_may_differ_in_as_texts():
    reference = ['SELECT a.NAME FROM city AS a WHERE a.state = "Texas" ;']
    assert sql_match('select  A.name\nfrom CITY as A where a.STATE="Texas"', reference) == 1
    assert sql_match('SELECT a.NAME FROM city AS a WHERE a.state = "texas"', reference) == 0
    assert sql_match("SELECT name FROM city", reference) == sql_match("", reference) == 0
    assert sql_match("SELECT a <= b", ["SELECT a < = b"]) == 0


def test_results_are_compared_and_not_texts(database: Database):
    same = database.same_result
    texas = "SELECT name FROM city WHERE state = 'Texas'"
    assert same("SELECT name FROM city WHERE people > 2 ORDER BY people DESC", [texas]) == 1
    assert same("SELECT name FROM city", [texas]) == 0
    assert same("SELECT name FROM city", [texas, "SELECT name FROM city ORDER BY name"]) == 1
    # Rows as often as they are there.
    assert same("SELECT DISTINCT state FROM city", ["SELECT state FROM city"]) == 0


def test_order_counts_where_the_reference_has_one(database: Database):
    ordered = ["SELECT name FROM city ORDER BY people"]
    assert database.same_result("SELECT name FROM city ORDER BY people ASC", ordered) == 1
    assert database.same_result("SELECT name FROM city ORDER BY people DESC", ordered) == 0


@pytest.mark.parametrize(
    "reference",
    [
        "SELECT name FROM city WHERE state = (SELECT state FROM city ORDER BY people DESC LIMIT 1)",
        "WITH c AS (SELECT * FROM city ORDER BY name) SELECT name FROM c WHERE people > 2",
        "SELECT name FROM (SELECT name FROM city WHERE people > 2 ORDER BY people)",
        "SELECT name FROM city WHERE people > 2 -- ORDER BY name",
        'SELECT name /* ORDER BY name */ AS "order by" FROM city WHERE people > 2',
        "SELECT name FROM city WHERE people > 2 AND 'ORDER BY' < 'a'",
        "SELECT name FROM (SELECT name, rank() OVER (ORDER BY name) FROM city WHERE people > 2)",
    ],
)
def test_an_order_in_a_subquery_or_a_text_is_no_order_of_the_rows(database, reference: str):
    for order in ("ASC", "DESC"):
        query = f"SELECT name FROM city WHERE people > 2 ORDER BY name {order}"
        assert database.same_result(query, [reference]) == 1


@pytest.mark.parametrize(
    "reference",
    [
        "SELECT name FROM city WHERE people > (SELECT 2) Order\n by name",
        "SELECT name FROM city WHERE state = 'Texas' UNION SELECT 'Austin' /* ( */ ORDER BY 1",
        "WITH c AS (SELECT * FROM city) SELECT name FROM c WHERE people > 2 ORDER/**/BY name",
    ],
)
def test_an_order_of_the_outermost_query_counts(database: Database, reference: str):
    for order, score in (("ASC", 1), ("DESC", 0)):
        query = f"SELECT name FROM city WHERE people > 2 ORDER BY name {order}"
        assert database.same_result(query, [reference]) == score


@pytest.mark.parametrize(
    "query",
    [
        "SELECT random()",
        "SELECT name FROM city ORDER BY RANDOM()",
        "SELECT randomblob(2)",
        "SELECT CURRENT_TIMESTAMP",
        "SELECT current_date",
        "SELECT date()",
        "SELECT datetime('now')",
        "SELECT datetime('NOW', '-1 day')",
        "SELECT date('n' || 'ow')",
        "SELECT julianday(CAST('now' AS BLOB))",
        "SELECT strftime('%Y')",
        "SELECT strftime('%s', 'now')",
        "SELECT unixepoch('now')",
        "SELECT time('12:00', 'localtime')",
        "SELECT datetime('2020-01-01', 'utc')",
        "SELECT sqlite_version()",
        "SELECT total_changes()",
    ],
)
def test_a_query_that_chance_or_the_clock_decides_is_a_wrong_answer(database, query: str):
    assert database.rows(query) is None


def test_dates_that_are_told_are_computed(database: Database):
    query = "SELECT date('2024-02-28', '+1 day'), strftime('%Y', 2460369.5), time('12:30:05')"
    assert database.rows(query) == [("2024-02-29", "2024", "12:30:05")]
    assert database.rows("SELECT max(abs(-3), length('now')), datetime(NULL)") == [(3, None)]


def test_a_query_may_not_take_all_memory_or_the_disk(database: Database):
    """3 GB to sort, and as much to compare."""
    many = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000) "
    sort = "SELECT length(z) FROM (SELECT zeroblob(999999) z, i FROM n ORDER BY z, i DESC) LIMIT 1"
    before = resource.getrusage(resource.RUSAGE_SELF)
    assert database.rows(many + sort) is None
    assert database.rows(f"{many} SELECT count(DISTINCT hex(zeroblob(400000)) || i) FROM n") is None
    after = resource.getrusage(resource.RUSAGE_SELF)
    assert (after.ru_maxrss - before.ru_maxrss) * 1024 < 1.5 * sqlite.MOST_MEMORY
    with closing(database._opened()) as opened:  # sorting in memory alone
        assert opened.execute("PRAGMA temp_store").fetchall() == [(2,)]
    assert database.rows("SELECT count(*) FROM city") == [(3,)]


@pytest.mark.parametrize(
    "query",
    [
        "",
        "-- a comment",
        "no SQL at all",
        "SELECT name FROM nowhere",
        "SELECT 1; SELECT 2",
        "SELECT 'half",
        "SELECT zeroblob(900000000)",
        "SELECT 'a' LIKE '%' || replace(hex(zeroblob(200)), '00', 'a')",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT count(*) FROM n",
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT i FROM n",
    ],
)
def test_a_query_that_fails_or_never_ends_is_a_wrong_answer(database: Database, query: str):
    assert database.rows(query) is None
    assert database.same_result(query, ["SELECT name FROM city"]) == 0


def test_heavy_steps_and_rows_are_stopped_too(database: Database, monkeypatch: pytest.MonkeyPatch):
    heavy = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 99) "
    assert len(database.rows(f"{heavy} SELECT zeroblob(9999) FROM n") or ()) == 99
    monkeypatch.setattr(sqlite, "MOST_RESULT", 99 * 9999 - 1)
    assert database.rows(f"{heavy} SELECT zeroblob(9999) FROM n") is None
    monkeypatch.setattr(sqlite, "MOST_SECONDS", 0.005)
    assert database.rows(f"{heavy} SELECT sum(length(hex(zeroblob(499900 + i)))) FROM n") is None


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("", "there is no table"),
        ("ATTACH '{path}' AS other; CREATE TABLE other.x (i);", "sqlite says: too many attached"),
        ("CREATE TABLE x (i); VACUUM INTO '{path}';", "sqlite says: too many attached"),
        (
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i FROM n) SELECT * FROM n;",
            "interrupted",
        ),
    ],
)
def test_a_script_makes_one_database_and_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, said: str
):
    monkeypatch.setattr(sqlite, "MOST_SECONDS", 0.05)
    file, path = tmp_path / "geo.sql", tmp_path / "other.db"
    file.write_text(script.replace("{path}", str(path)))
    with pytest.raises(InputError, match=said):
        Database(str(file))
    assert not path.exists()


def test_a_byte_order_mark_before_a_script(tmp_path: Path):
    file = tmp_path / "geo.sql"
    file.write_text(SCRIPT, encoding="utf-8-sig")
    assert Database(str(file)).rows("SELECT count(*) FROM city") == [(3,)]


@pytest.mark.parametrize(
    "query",
    [
        "DROP TABLE city",
        "INSERT INTO city VALUES ('x', 'y', 0)",
        "PRAGMA query_only = 0",
        "ATTACH DATABASE '{path}' AS other",
        "VACUUM INTO '{path}'",
    ],
)
def test_a_query_may_only_read(database: Database, tmp_path: Path, query: str):
    path = tmp_path / "other.db"
    assert database.rows(query.format(path=path)) is None and not path.exists()
    assert len(database.rows("SELECT * FROM city") or ()) == 3


def test_a_file_of_sqlite_is_left_as_it_is(tmp_path: Path, database: Database):
    file = tmp_path / "geo.sqlite"
    with sqlite3.connect(file) as made:
        made.executescript(SCRIPT)
    made.close()
    before, stored = file.read_bytes(), Database(str(file))
    assert stored.rows("SELECT * FROM city") == database.rows("SELECT * FROM city")
    assert stored.rows("DELETE FROM city") is None
    assert file.read_bytes() == before and stored.checksum != database.checksum


def test_mistakes(tmp_path: Path):
    with pytest.raises(InputError, match="a file of sqlite or of SQL is expected"):
        Database(str(tmp_path / "none.sqlite"))
    for name, content in (("broken.sql", "CREATE TABEL x"), ("broken.sqlite", "no database " * 99)):
        (tmp_path / name).write_text(content)
        with pytest.raises(InputError, match="sqlite says"):
            Database(str(tmp_path / name))
