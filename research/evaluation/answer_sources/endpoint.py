"""The settings of an OpenAI-compatible server that answers rows."""

import importlib.util
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import urlsplit

from research.common.errors import InputError, check_whole
from research.common.hashing import canonical
from research.common.paths import resolve_path
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.answer_sources.client import EndpointClient, read_key
from research.evaluation.answer_sources.conversation import Message
from research.evaluation.answer_sources.source import TokenPrices
from research.tasks.task import Task

# Fields that a request has from the row, or that would put the key into records.
REFUSED = ("model", "messages", "stream", "n", "key", "api_key", "headers", "authorization")
MOST_PARALLEL, MOST_RETRIES = 64, 20


@dataclass(frozen=True, kw_only=True)
class Endpoint(TokenPrices):
    """An OpenAI-compatible server that answers each row of a task.

    The row's prompt is a chat, see `Conversation`. The temperature is 0 by default; with another
    one each seed of a run samples its own answers.

    Attributes:
        address: base URL, such as `https://api.openai.com/v1`.
        model: name of the model there.
        request: further fields of each request, such as `max_tokens`; None leaves a field out.
        key: environment variable with the API key; None for a server that needs none.
        timeout: seconds until an attempt is given up.
        retries: attempts after the first, with increasing pauses, where the server is busy, slow,
            failing or not reachable.
        parallel: number of requests at the same time.
        per_minute: most requests a minute; None for no limit.
        cache: folder of the replies; None for `endpoint` in the results folder.

    Raises InputError for invalid values; its message has no part of a key or an address with one.
    """

    address: str
    model: str
    request: Mapping[str, Any] = field(default_factory=dict)
    key: str | None = "OPENAI_API_KEY"
    timeout: float = 60.0
    retries: int = 5
    parallel: int = 4
    per_minute: float | None = None
    cache: str | None = None
    # Fields of the prompt of a row that it uses.
    prompt_fields: ClassVar[tuple[str, ...]] = (
        "template",
        "demonstrations",
        "choice",
        "draw",
        "system",
        "instruction",
    )
    # Fields that change no answer, and are no part of a record.
    OF_THE_MACHINE: ClassVar[tuple[str, ...]] = (
        "key",
        "timeout",
        "retries",
        "parallel",
        "per_minute",
        "cache",
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        _check_address(self.address)
        if not self.model.strip():
            raise InputError("model", self.model, "the name of a model is expected")
        if self.key is not None and not re.fullmatch(r"[A-Z_][A-Z0-9_]*", self.key):
            allowed = "the name of an environment variable, such as OPENAI_API_KEY, is expected"
            raise InputError("key", "...", f"{allowed}; the key itself stands in no config")
        for name in self.request:
            if name.lower() in REFUSED:
                raise InputError("request", name, "a request has this field from the row itself")
        canonical(self.request)
        if not 0 < self.timeout < math.inf:
            raise InputError("timeout", self.timeout, "a number of seconds above 0 is expected")
        if self.per_minute is not None and not 0 < self.per_minute < math.inf:
            raise InputError("per_minute", self.per_minute, "a number above 0 is expected")
        check_whole("retries", self.retries, least=0, most=MOST_RETRIES)
        check_whole("parallel", self.parallel, most=MOST_PARALLEL)

    @property
    def of_record(self) -> "Endpoint":
        """The same with the default of all fields that change no answer."""
        default = Endpoint(address=self.address, model=self.model)
        return replace(self, **{name: getattr(default, name) for name in self.OF_THE_MACHINE})

    def cache_folder(self, folder: Path) -> Path:
        """The folder of the replies of runs in a results folder."""
        if self.cache is None:
            return folder / "endpoint"
        return Path(resolve_path(self.cache, "endpoint.cache"))

    def body(self, messages: Sequence[Message], task: Task, seed: int) -> dict[str, Any]:
        """The JSON object of a request.

        Args:
            messages: the prompt.
            task: the task.
            seed: sent unless the temperature is 0.
        """
        most = answer_kind(task).most_reply_tokens
        fields = {"temperature": 0.0, "max_tokens": most, **self.request}
        if fields["temperature"] != 0:
            fields = {"seed": seed, **fields}
        chosen = {name: value for name, value in fields.items() if value is not None}
        return {"model": self.model, "messages": list(messages), **chosen}

    def client(self, folder: Path) -> EndpointClient:
        """The client of the server, whose replies are cached in a results folder. It asks nothing.

        Raises InputError without the package openai and without the key.
        """
        if importlib.util.find_spec("openai") is None:
            allowed = "it takes the package openai: pip install 'adaptlab[endpoint]'"
            raise InputError("endpoint", self.model, allowed)
        return EndpointClient(
            address=self.address,
            model=self.model,
            key=read_key(self.key),
            timeout=self.timeout,
            retries=self.retries,
            parallel=self.parallel,
            per_minute=self.per_minute,
            cache=self.cache_folder(folder),
        )


def _check_address(address: str) -> None:
    """Raises InputError unless this is the base URL of a server, without user, key or query."""
    allowed = "a base URL such as https://api.openai.com/v1 is expected"
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise InputError("address", "...", allowed) from error
    if parts.username or parts.password or parts.query or parts.fragment:
        raise InputError("address", "...", f"{allowed}, without a user, a password and a query")
    if parts.scheme not in ("http", "https") or not host:
        raise InputError("address", address, allowed)
