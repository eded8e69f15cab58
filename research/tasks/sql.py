"""SQL as the answer: compared as text, and by what it gives in a database of sqlite."""

import hashlib
import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from research.errors import InputError
from research.paths import located

# Steps of sqlite's virtual machine, rather than seconds: every machine stops at the same query.
MOST_STEPS = 10_000_000
MOST_BYTES = 1_000_000  # of a value
MOST_ROWS = 100_000
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_PIECES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+(?:\.\w+)*|<=|>=|<>|!=|[^\w\s]""")
_ORDERED = re.compile(r"\border\s+by\b", re.IGNORECASE)


def sql_match(output: str, references: Sequence[str]) -> float:
    """1 where the query is a reference but for white space, a last semicolon and the case of what
    does not stand in quotes.
    """
    return float(_normal(output) in [_normal(one) for one in references])


def _normal(query: str) -> tuple[str, ...]:
    found = _PIECES.findall(query)
    if found and found[-1] == ";":
        found.pop()
    return tuple(piece if piece[0] in "'\"" else piece.lower() for piece in found)


@dataclass(frozen=True)
class Database:
    """A file of sqlite, or of the SQL that makes one (`.sql`); queries run on a copy in memory.

    A query may only read. It fails after `MOST_STEPS` steps of sqlite, `MOST_ROWS` rows or a value
    of `MOST_BYTES`. Raises InputError for a file that is no database.
    """

    path: str

    @classmethod
    def at(cls, path: str | None) -> "Database | None":
        """The database that a config names, if it names one."""
        return None if path is None else cls(located(path, "database"))

    def __post_init__(self) -> None:
        if not Path(self.path).is_file():
            raise InputError("database", self.path, "a file of sqlite or of SQL is expected")
        try:
            self._opened().close()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise InputError("database", self.path, f"sqlite says: {error}") from error

    @cached_property
    def checksum(self) -> str:
        """sha256 of the file."""
        return hashlib.sha256(Path(self.path).read_bytes()).hexdigest()

    def same_result(self, output: str, references: Sequence[str]) -> float:
        """1 where the query gives the rows that a reference gives; in the same order, where the
        reference has an ORDER BY. A query that fails gives 0.
        """
        found = self.rows(output)
        return float(found is not None and any(self._equal(found, one) for one in references))

    def rows(self, query: str) -> list[tuple] | None:
        """What the query gives; None where it fails."""
        connection = self._opened()
        left = iter(range(MOST_STEPS // 1000))
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            connection.set_authorizer(
                lambda action, *_: sqlite3.SQLITE_OK if action in _ALLOWED else sqlite3.SQLITE_DENY
            )
            connection.set_progress_handler(lambda: next(left, None) is None, 1000)
            cursor = connection.execute(query)
            found = cursor.fetchmany(MOST_ROWS + 1)
            # Nothing at all, or a comment, is no query: it has no columns.
            return found if cursor.description and len(found) <= MOST_ROWS else None
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError):
            return None  # whatever a model may write: a query that fails is an answer, a wrong one
        finally:
            connection.close()

    def _equal(self, found: list[tuple], reference: str) -> bool:
        if reference not in self._expected:
            self._expected[reference] = self.rows(reference)
        expected = self._expected[reference]
        if expected is None:
            return False
        if _ORDERED.search(reference):
            return found == expected
        return Counter(found) == Counter(expected)

    @cached_property
    def _expected(self) -> dict[str, list[tuple] | None]:
        """What the references met so far give."""
        return {}

    @cached_property
    def _image(self) -> bytes:
        """The database as it was when first read."""
        script = Path(self.path).suffix == ".sql"
        read_only = f"{Path(self.path).resolve().as_uri()}?mode=ro"
        with closing(sqlite3.connect(":memory:" if script else read_only, uri=True)) as made:
            if script:
                made.executescript(Path(self.path).read_text(encoding="utf-8"))
            made.execute("SELECT name FROM sqlite_master").fetchall()  # no database, no tables
            return made.serialize()

    def _opened(self) -> sqlite3.Connection:
        """A copy of the database in memory."""
        memory = sqlite3.connect(":memory:")
        memory.deserialize(self._image)
        memory.text_factory = lambda content: content.decode(errors="replace")
        return memory
