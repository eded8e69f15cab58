"""Connections to SQLite with bounds on time and memory, and queries that can only read."""

import re
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from itertools import count
from math import inf
from typing import Any

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
one_query = threading.Lock()  # the limit of memory is that of one query


def connected(uri: str) -> sqlite3.Connection:
    """A connection that writes no temporary file and takes `MOST_MEMORY` at most."""
    connection = sqlite3.connect(uri, uri=True)
    connection.execute(f"PRAGMA hard_heap_limit = {MOST_MEMORY}")
    connection.execute("PRAGMA temp_store = MEMORY")
    return connection


def in_memory() -> sqlite3.Connection:
    return connected(":memory:")


def query_rows(connection: sqlite3.Connection, query: str) -> list[tuple] | None:
    """The rows that a query returns; None where it fails.

    It may only read. It fails after `MOST_STEPS` steps of sqlite, or `MOST_SECONDS`, and where
    rows, values and memory are more than the constants above say; also if its result can differ
    from call to call, by chance, the clock or the machine.
    """
    with closing(in_memory()) as dates:
        try:
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MOST_BYTES)
            connection.setlimit(sqlite3.SQLITE_LIMIT_LIKE_PATTERN_LENGTH, MOST_PATTERN)
            _without_clock(connection, dates)
            connection.set_authorizer(_authorized)
            bounded(connection, MOST_STEPS)
            return _all(connection.execute(query))
        except (sqlite3.Error, sqlite3.Warning, ValueError, OverflowError, MemoryError):
            return None  # a query that fails is a wrong answer


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


def bounded(connection: sqlite3.Connection, steps: float = inf) -> None:
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
