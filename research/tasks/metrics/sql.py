"""SQL metrics: text comparison, and comparison of results in an SQLite database."""

import re
import sqlite3
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from math import inf
from pathlib import Path
from typing import Any

from research.common.errors import InputError
from research.common.hashing import sha256
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
# Bytes that sqlite takes in this process, the database among them; nothing goes to disk. sqlite
# lets a process lower this limit and not raise it.
MOST_MEMORY = 512 * 2**20
_ALLOWED = {
    sqlite3.SQLITE_SELECT,
    sqlite3.SQLITE_READ,
    sqlite3.SQLITE_FUNCTION,
    sqlite3.SQLITE_RECURSIVE,
}
_PIECES = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|\w+(?:\.\w+)*|<=|>=|<>|!=|[^\w\s]""")
# Comments, texts, quoted names, words and other characters.
_TOKENS = re.compile(
    r"""--[^\n]*|/\*.*?(?:\*/|\Z)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|\w+|\S""",
    re.DOTALL,
)
# Functions whose value depends on chance, the clock, the connection or the version of sqlite.
_CHANGING = re.compile(
    r"random|randomblob|current_\w+|changes|total_changes|last_insert_rowid|sqlite_\w+",
    re.IGNORECASE,
)
# Functions of dates, and the number of their arguments without which they take the present time.
_DATES = {
    **dict.fromkeys(("date", "time", "datetime", "julianday", "unixepoch"), 1),
    **dict.fromkeys(("strftime", "timediff"), 2),
}
_OF_THE_MACHINE = ("now", "localtime", "utc")  # the clock and the time zone
_one_query = threading.Lock()  # the limit of memory is that of one query


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
    rows, values and memory are more than the constants above say; so does SQL that makes a
    database, but for the number of steps. A query also fails if its result can differ from call to
    call, by chance, the clock or the machine. Raises InputError for a file that is no database.
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
        with _one_query, closing(self._opened()) as connection, closing(_in_memory()) as dates:
            try:
                connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
                connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MOST_PATTERN)
                _without_clock(connection, dates)
                connection.set_authorizer(_authorized)
                _bounded(connection, MOST_STEPS)
                return _all(connection.execute(query))
            except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError):
                return None  # a query that fails is a wrong answer

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
        with closing(_in_memory() if script else _connected(read_only)) as made:
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
        memory = _in_memory()
        memory.deserialize(self._image)
        memory.text_factory = lambda content: content.decode(errors="replace")
        return memory


def _connected(uri: str) -> sqlite3.Connection:
    """A connection that writes no temporary file and takes `MOST_MEMORY` at most."""
    connection = sqlite3.connect(uri, uri=True)
    connection.execute(f"PRAGMA hard_heap_limit = {MOST_MEMORY}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def _in_memory() -> sqlite3.Connection:
    return _connected(":memory:")


def _is_ordered(query: str) -> bool:
    """Whether the outermost query has an ORDER BY."""
    depth, outermost = 0, []
    for token in _TOKENS.findall(query):
        depth += {"(": 1, ")": -1}.get(token, 0)
        if depth == 0 and not token.startswith(("--", "/*")):
            outermost.append(token.lower())
    return ("order", "by") in zip(outermost, outermost[1:], strict=False)


def _authorized(action: int, first: str | None, second: str | None, *_: str | None) -> int:
    """What sqlite asks before each part of a query; the second name is that of a function."""
    changing = action == sqlite3.SQLITE_FUNCTION and _CHANGING.fullmatch(second or "")
    return sqlite3.SQLITE_OK if action in _ALLOWED and not changing else sqlite3.SQLITE_DENY


def _without_clock(connection: sqlite3.Connection, dates: sqlite3.Connection) -> None:
    """Makes functions of dates fail where they would take the present time or the time zone.

    dates: another connection, whose functions compute all other values.
    """

    def function(name: str) -> Callable[..., Any]:
        def value(*args: Any) -> Any:
            texts = [x.decode(errors="replace") if isinstance(x, bytes) else x for x in args]
            words = [text.strip().lower() for text in texts if isinstance(text, str)]
            if len(args) < _DATES[name] or any(word in _OF_THE_MACHINE for word in words):
                raise ValueError("the present time and the time zone differ from call to call")
            marks = ", ".join("?" * len(args))
            return dates.execute(f"SELECT {name}({marks})", args).fetchone()[0]

        return value

    for name in _DATES:
        connection.create_function(name, -1, function(name), deterministic=True)


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
    rows, size = [], 0
    for row in cursor:
        size += sum(len(value) for value in row if isinstance(value, str | bytes))
        if len(rows) == MOST_ROWS or size > MOST_RESULT:
            return None
        rows.append(row)
    return rows if cursor.description else None
