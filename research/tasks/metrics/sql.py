"""SQL metrics: text comparison, and comparison of results in an SQLite database."""

import re
import sqlite3
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from research.common.errors import InputError
from research.common.hashing import sha256
from research.common.paths import resolve_path
from research.tasks.metrics.sqlite import (
    MOST_MEMORY,
    bounded,
    connected,
    in_memory,
    one_query,
    query_rows,
)

_PIECES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+(?:\.\w+)*|<=|>=|<>|!=|[^\w\s]""")
# Comments, texts, quoted names, words and other characters.
_TOKENS = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|\S""",
    re.DOTALL,
)


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

    A query may only read. It fails where `query_rows` stops it; SQL that makes a database is also
    stopped after `MOST_SECONDS` and at `MOST_MEMORY`. Raises InputError for a file that is no
    database.
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
        except MemoryError as error:
            allowed = f"it takes more than {MOST_MEMORY // 2**20} MiB of memory"
            raise InputError("database", self.path, allowed) from error

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of the file."""
        return sha256(Path(self.path).read_bytes())

    def same_result(self, output: str, references: Sequence[str]) -> float:
        """1 where the query returns the rows of a reference, else 0.

        The order counts where the reference has an ORDER BY that is no part of a subquery. A query
        that fails scores 0.
        """
        rows = self.rows(output)
        return float(rows is not None and any(self._equal(rows, query) for query in references))

    def rows(self, query: str) -> list[tuple] | None:
        """The rows that a query returns; None where it fails."""
        with one_query, closing(self._opened()) as connection:
            return query_rows(connection, query)

    def _equal(self, rows: list[tuple], reference: str) -> bool:
        if reference not in self._expected:
            self._expected[reference] = self.rows(reference)
        expected = self._expected[reference]
        if expected is None:
            return False
        if _is_ordered(reference):
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
        with closing(in_memory() if script else connected(read_only)) as made:
            if script:
                # Attached is any other file that a script reads or writes.
                made.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
                bounded(made)
                made.executescript(Path(self.path).read_text(encoding="utf-8-sig"))
            if not made.execute("SELECT name FROM sqlite_master").fetchall():
                raise sqlite3.DatabaseError("there is no table")
            return made.serialize()

    def _opened(self) -> sqlite3.Connection:
        """A copy of the database in memory."""
        memory = in_memory()
        memory.deserialize(self._image)
        memory.text_factory = lambda content: content.decode(errors="replace")
        return memory


def _is_ordered(query: str) -> bool:
    """Whether the outermost query has an ORDER BY."""
    depth, outermost = 0, []
    for token in _TOKENS.findall(query):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and not token.startswith(("--", "/*")):
            outermost.append(token.lower())
    return ("order", "by") in zip(outermost, outermost[1:], strict=False)
