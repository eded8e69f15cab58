"""Jinja templates of task files, rendered in a process with bounds on time, memory and output."""

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from research.common.errors import InputError, name_list

SECONDS = 2  # of processor time for one template and one row
MEGABYTES = 1024  # of address space
MOST_CHARACTERS = 1_000_000  # of a rendered text
MOST_OF_TEMPLATE = 1_000_000  # characters

Kind = Literal["text", "literal", "names"]
_PROGRAM = Path(__file__).with_name("render_process.py")


class Renderer:
    """Renders templates in a process of its own, as a sandbox alone bounds neither time nor memory.

    Templates cannot change a row or reach attributes that begin with an underscore, and see
    nothing but the row. It may be used from several threads, and is a context manager.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def __enter__(self) -> "Renderer":
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the process."""
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            process.communicate()

    def text(self, template: str, row: Mapping[str, Any], field: str) -> str:
        """The rendered text, with undefined names refused. Raises InputError on `field`."""
        return self._value("text", template, row, field)

    def literal(self, template: str, row: Mapping[str, Any], field: str) -> Any:
        """The value of the rendered text as a literal of Python; a tuple becomes a list."""
        return self._value("literal", template, row, field)

    def names(self, template: str, field: str) -> list[str]:
        """The columns that a template names, in alphabetical order."""
        return self._value("names", template, {}, field)

    def _value(self, kind: Kind, template: str, row: Mapping[str, Any], field: str) -> Any:
        if len(template) > MOST_OF_TEMPLATE:
            allowed = f"a template has at most {MOST_OF_TEMPLATE:,} characters"
            raise InputError(field, template, allowed)
        try:
            line = json.dumps({"kind": kind, "template": template, "columns": row})
        except (TypeError, ValueError) as error:
            allowed = f"a column has a value that no template can use ({error})"
            raise InputError(field, template, allowed) from error
        with self._lock:
            reply = self._ask(line)
        if reply is None:
            allowed = f"it takes more than {SECONDS} s, or too much memory"
            raise InputError(field, template, allowed)
        if "value" in reply:
            return reply["value"]
        if "missing" in reply:
            columns = f"the columns are {name_list(sorted(row))}"
            raise InputError(field, template, f"{reply['missing']}; {columns}")
        raise InputError(field, template, " ".join(str(reply["reason"]).split()))

    def _ask(self, line: str) -> dict[str, Any] | None:
        """The reply of the process; None where the request ended it."""
        process = self._started()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line + "\n")
            process.stdin.flush()
            reply = process.stdout.readline()
        except BrokenPipeError:
            reply = ""
        if not reply.endswith("\n"):
            self.close()
            return None
        return json.loads(reply)

    def _started(self) -> "subprocess.Popen[str]":
        if self._process is None:
            limits = map(str, (SECONDS, MEGABYTES, MOST_CHARACTERS))
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_PROGRAM), *limits],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
            )
        return self._process
