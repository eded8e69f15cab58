"""The requests of rows that ask a server: their number, tokens, price and seconds."""

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from research.common.hashing import canonical
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import SHORT_REPLY, ExternalAnswer
from research.evaluation.answer_sources.endpoint import Endpoint
from research.evaluation.answer_sources.reply_cache import reply_file, stored_replies
from research.experiments.plan import CellPlan, Run
from research.runs.without_backbone import endpoint_requests
from research.sweeps.cell_work import train_rows
from research.sweeps.dry_run.sampled_rows import ASSUMED, ASSUMED_ROWS
from research.tasks.encoding.tokenization import token_ids
from research.tasks.task import Task

REPLY_SECONDS = 1.0  # of a reply, where no stored one tells
MESSAGE_TOKENS = 4  # tokens around the content of a message
CHARACTERS = 4  # of a token, where there is no tokenizer

Body = Mapping[str, Any]


@dataclass(frozen=True)
class Requests:
    """Requests to servers.

    Attributes:
        count: number of requests, without those whose replies are stored.
        stored: number of requests whose replies are stored.
        prompt_tokens: tokens before the answers.
        answer_tokens: tokens of the answers, each as long as it may be.
        price: their price; None where the config has no prices.
        seconds: seconds of waiting for the replies.
    """

    count: int
    stored: int
    prompt_tokens: int
    answer_tokens: int
    price: float | None
    seconds: float


def total(parts: Iterable[Requests]) -> Requests | None:
    """The sum of requests, None without any. Its price is None where that of a part is."""
    parts = list(parts)
    if not parts:
        return None
    prices = [part.price for part in parts]
    priced = [price for price in prices if price is not None]
    return Requests(
        count=sum(part.count for part in parts),
        stored=sum(part.stored for part in parts),
        prompt_tokens=sum(part.prompt_tokens for part in parts),
        answer_tokens=sum(part.answer_tokens for part in parts),
        price=sum(priced) if len(priced) == len(prices) else None,
        seconds=sum(part.seconds for part in parts),
    )


@dataclass
class Server:
    """What needs not be asked of a server.

    Attributes:
        stored: the requests with a stored reply.
        reply_seconds: seconds of a reply.
        counted: the requests of the cells so far.
    """

    stored: set[str]
    reply_seconds: float
    counted: set[str] = field(default_factory=set)


@dataclass
class RequestEstimate:
    """Counts the requests of a sweep, cell by cell: equal ones are sent once.

    Attributes:
        folder: the results folder, whose stored replies are not asked for again.
        tokenizer: of the backbone, by which tokens are counted; None where it is not available.
        servers: the servers by file of their replies.
        sizes: tokens of texts that were counted already.
    """

    folder: Path
    tokenizer: Tokenizer | None
    servers: dict[Path, Server] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)

    def requests(self, cell: CellPlan) -> Requests | None:
        """The requests of the next cell; None for a cell that asks no server.

        Raises InputError for a prompt that the task cannot have.
        """
        if cell.approach.endpoint is None:
            return None
        first = cell.trials[0]
        tested = set(map(_key, cell.tested(first)))
        runs = [run for group in cell.groups(first) for run in group]
        return total(self._of_run(run, _key(run) in tested) for run in runs)

    def _of_run(self, run: Run, tested: bool) -> Requests:
        """The requests of a run, without those of earlier ones."""
        endpoint, task = run.approach.endpoint, run.cell.task
        assert endpoint is not None  # the row asks a server
        server = self._server(endpoint)
        if not isinstance(task, Task):
            return self._assumed(endpoint, server, run, tested)
        bodies = {canonical(body): body for body in endpoint_requests(run, tested)}
        new = [body for key, body in bodies.items() if key not in server.stored | server.counted]
        stored = len(bodies.keys() & server.stored - server.counted)
        server.counted |= bodies.keys()
        sizes = [(self._prompt_tokens(body), _most_tokens(body)) for body in new]
        return _requests(endpoint, server, sizes, stored)

    def _assumed(self, endpoint: Endpoint, server: Server, run: Run, tested: bool) -> Requests:
        """The requests of a run on a task whose examples are not available."""
        sampled = endpoint.request.get("temperature", 0.0) != 0
        seed = run.seed if sampled or run.approach.demonstrations else None
        test = canonical([*run.cell.key, run.approach.plain(), str(seed)])
        rows = ASSUMED_ROWS if tested and test not in server.counted else 0
        server.counted.add(test)
        if len(run.cell.trials) > 1:  # dev chooses among them
            train = train_rows(run.cell.regime, run.cell.task.labels, ASSUMED_ROWS)
            rows += min(run.cell.experiment.max_dev, train)
        answer = endpoint.request.get("max_tokens", SHORT_REPLY) or SHORT_REPLY
        return _requests(endpoint, server, [(ASSUMED, answer)] * rows, stored=0)

    def _server(self, endpoint: Endpoint) -> Server:
        name = reply_file(endpoint.address, endpoint.model)
        file = endpoint.cache_folder(self.folder) / name
        if file not in self.servers:
            replies = stored_replies(file)
            seconds = [reply.seconds for reply in replies.values()]
            mean = statistics.fmean(seconds) if seconds else REPLY_SECONDS
            self.servers[file] = Server(set(replies), mean)
        return self.servers[file]

    def _prompt_tokens(self, body: Body) -> int:
        """Tokens of the messages of a request."""
        contents = [message["content"] for message in body["messages"]]
        new = [text for text in dict.fromkeys(contents) if text not in self.sizes]
        if self.tokenizer is None:
            self.sizes |= {text: -(-len(text) // CHARACTERS) for text in new}
        elif new:
            ids = token_ids(self.tokenizer, new)
            self.sizes |= zip(new, map(len, ids), strict=True)
        return sum(self.sizes[text] + MESSAGE_TOKENS for text in contents)


def _key(run: Run) -> tuple[str, str]:
    """What distinguishes the runs of a cell."""
    return canonical(run.trial), str(run.seed)


def _most_tokens(body: Body) -> int:
    """Most tokens of the answer to a request."""
    names = ("max_tokens", "max_completion_tokens")
    return next((body[name] for name in names if isinstance(body.get(name), int)), SHORT_REPLY)


def _requests(
    endpoint: Endpoint, server: Server, sizes: Sequence[tuple[int, int]], stored: int
) -> Requests:
    """Requests with (prompt tokens, answer tokens) each."""
    answers = [ExternalAnswer(None, prompt_tokens=p, answer_tokens=a) for p, a in sizes]
    prices = [price for answer in answers if (price := endpoint.price(answer)) is not None]
    interval = 0.0 if endpoint.per_minute is None else 60 / endpoint.per_minute
    return Requests(
        count=len(sizes),
        stored=stored,
        prompt_tokens=sum(prompt for prompt, _ in sizes),
        answer_tokens=sum(answer for _, answer in sizes),
        price=None if endpoint.input_price is None else sum(prices),
        seconds=len(sizes) * max(interval, server.reply_seconds / endpoint.parallel),
    )
