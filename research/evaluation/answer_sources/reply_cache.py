"""Replies of a server in a JSON-lines file, each stored as it arrives."""

import json
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from filelock import FileLock

from research.common.config import build
from research.common.errors import InputError
from research.common.hashing import canonical, sha256
from research.common.json_io import parse_json
from research.evaluation.answer_sources.reply import EndpointReply


def reply_file(address: str, model: str) -> str:
    """The name of the file with the replies of a model of a server."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "_", model)[:60]
    digest = sha256(f"{address}\n{model}".encode())[:8]
    return f"{name}-{digest}.jsonl"


def stored_replies(file: Path) -> dict[str, EndpointReply]:
    """The replies in a file by canonical JSON of the request, without opening it for this process.

    Damaged lines are left out, such as one that another process is writing.
    """
    replies: dict[str, EndpointReply] = {}
    for line in file.read_bytes().split(b"\n") if file.is_file() else []:
        try:
            request, reply = ReplyCache.parsed(line, str(file))
        except InputError:
            continue
        replies[request] = reply
    return replies


class ReplyCache:
    """The replies in a file, with a line for each request. One process at a time opens it.

    Attributes:
        file: the file.
        replies: reply by canonical JSON of the request.
    """

    def __init__(self, file: Path):
        self.file = file
        self.replies: dict[str, EndpointReply] = {}
        self._lock = threading.Lock()

    @contextmanager
    def open(self) -> Iterator[Mapping[str, EndpointReply]]:
        """Reads the file, and yields `replies`, for this process alone until the end of the block.

        Raises InputError for a line that is not a reply. A last line that a killed process wrote in
        part is removed.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(self.file.with_name(f".{self.file.name}.lock")):
            self.replies = self._read()
            yield self.replies

    def add(self, request: Mapping[str, Any], reply: EndpointReply) -> None:
        """Stores a reply while the file is open; several threads may do so."""
        line = json.dumps({"request": request, "reply": asdict(reply)}, ensure_ascii=False) + "\n"
        with self._lock:
            with self.file.open("ab") as file:
                file.write(line.encode())
            self.replies[canonical(request)] = reply

    def _read(self) -> dict[str, EndpointReply]:
        if not self.file.exists():
            return {}
        content = self.file.read_bytes()
        end = content.rfind(b"\n") + 1
        if end < len(content):
            with self.file.open("r+b") as file:
                file.truncate(end)
        lines = enumerate(content[:end].split(b"\n")[:-1], start=1)
        return dict(self.parsed(line, f"{self.file}, line {number}") for number, line in lines)

    @staticmethod
    def parsed(line: bytes, where: str) -> tuple[str, EndpointReply]:
        """(canonical JSON of the request, its reply). Raises InputError for another line."""
        allowed = "a request and its reply are expected; without this line it is asked again"
        try:
            value = parse_json(line)
            return canonical(value["request"]), build(EndpointReply, value["reply"], where)
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(where, line.decode(errors="replace"), allowed) from error
