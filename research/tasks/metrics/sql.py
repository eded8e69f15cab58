"""SQL metrics: text comparison, and comparison of results in an SQLite database."""

import hashlib
import re
import sqlite3
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from math import inf
from pathlib import Path

from research.common.errors import InputError
from research.common.paths import resolve_path

# Steps of sqlite's virtual machine, rather than seconds: every machine stops at the same query.
# They take about a second of a processor, unless each is as heavy as a value may be.
MOST_STEPS = 10_000_000
MOST_SECONDS = 30.0
STRIDE = 100  # steps between two looks at the clock
MOST_BYTES = 1_000_000  # of a value
MOST_PATTERN = 200  # bytes of what stands after LIKE, which is one step
MOST_ROWS = 100_000
MOST_RESULT = 100_000_000  # bytes of all rows
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_PIECES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+(?:\.\w+)*|<=|>=|<>|!=|[^\w\s]""")
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)


def sql_match(output: str, references: Sequence[str]) -> float:
    """1 where the query equals a reference, else 0.

    White space, a final semicolon and the case outside quotes are ignored.
    """
    return float(_normal(output) in [_normal(reference) for reference in references])


def _normal(query: str) -> tuple[str, ...]:
    pieces = _PIECES.findall(query)
    if pieces and pieces[-1] == ";":
        pieces.pop()
    return tuple(piece if piece[0] in "'\"" else piece.lower() for piece in pieces)


@dataclass(frozen=True)
class Database:
    """A file of sqlite, or of the SQL that makes one (`.sql`); queries run on a copy in memory.

    A query may only read. It fails after `MOST_STEPS` steps of sqlite, or `MOST_SECONDS`, and where
    rows and values are more than the constants above say; so does SQL that makes a database, but
    for the number of steps. Raises InputError for a file that is no database.
    """

    path: str

    @classmethod
    def at(cls, path: str | None) -> "Database | None":
        """The database at a path; None for None."""
        return None if path is None else cls(resolve_path(path, "database"))

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise InputError("database", self.path, "a file of sqlite or of SQL is expected")
        try:
            self._opened().close()
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise InputError("database", self.path, f"sqlite says: {error}") from error

    @cached_property
    def checksum(self) -> str:
        """sha256 of the file."""
        return hashlib.sha256(Path(self.path).read_bytes()).hexdigest()

    def same_result(self, output: str, references: Sequence[str]) -> float:
        """1 where the query returns the rows of a reference, else 0.

        The order counts where the reference has an ORDER BY. A query that fails scores 0.
        """
        rows = self.rows(output)
        return float(rows is not None and any(self._equal(rows, query) for query in references))

    def rows(self, query: str) -> list[tuple] | None:
        """The rows that a query returns; None where it fails."""
        connection = self._opened()
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MOST_PATTERN)
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
            )
            _bounded(connection, MOST_STEPS)
            return _all(connection.execute(query))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
            return None  # a query that fails is a wrong answer
        finally:
            connection.close()

    def _equal(self, rows: list[tuple], reference: str) -> bool:
        if reference not in self._expected:
            self._expected[reference] = self.rows(reference)
        expected = self._expected[reference]
        if expected is None:
            return False
        if _ORDERED.search(reference):
            return rows == expected
        return Counter(rows) == Counter(expected)

    @cached_property
    def _expected(self) -> dict[str, list[tuple] | None]:
        """Cached rows of the references."""
        return {}

    @cached_property
    def _image(self) -> bytes:
        """The database at its first read."""
        script = Path(self.path).suffix == ".sql"
        read_only = f"{Path(self.path).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(":memory:" if script else read_only, uri=True)) as made:
            if script:
                # Attached is any other file that a script reads or writes.
                made.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
                _bounded(made)
                made.executescript(Path(self.path).read_text(encoding="utf-8-sig"))
            if not made.execute("SELECT name FROM sqlite_master").fetchall():
                raise sqlite3.DatabaseError("there is no table")
            return made.serialize()

    def _opened(self) -> sqlite3.Connection:
        """A copy of the database in memory."""
        memory = sqlite3.connect(":memory:")
        memory.deserialize(self._image)
        memory.text_factory = lambda content: content.decode(errors="replace")
        return memory


def _bounded(connection: sqlite3.Connection, steps: float = inf) -> None:
    """Interrupts what takes so many steps, or more than `MOST_SECONDS` of this thread's time."""
    passed, begun = count(STRIDE, STRIDE), time.thread_time()

    def over() -> bool:
        return next(passed) > steps or time.thread_time() - begun > MOST_SECONDS

    connection.set_progress_handler(over, STRIDE)


def _all(cursor: sqlite3.Cursor) -> list[tuple] | None:
    """The rows of a query; None for too many, and for nothing at all or a comment, which have no
    columns.
    """
    found, size = [], 0
    for row in cursor:
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(found) == MOST_ROWS or size > MOST_RESULT:
            return None
        found.append(row)
    return found if cursor.description else None
