"""Serves many adapters of one backbone: batches of requests in, label scores out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError, check_choice
from research.evaluation.batch import Rows, batch_size_at, bucket
from research.evaluation.calibration import pooled_label_scores, predicted_classes
from research.methods.method import Leaves
from research.models.model import Model
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import Executable
from research.serving.mixed_batch import mixed_scores
from research.serving.stacked_adapters import Adapter, stack_adapters
from research.tasks.encoding.encoded import LabelTexts
from research.tasks.encoding.row_format import RowFormat


class ServedAdapter(NamedTuple):
    """An adapter with the format of its rows.

    Attributes:
        adapter: the adapter.
        row_format: how its rows are encoded and scored.
        texts: texts of its labels.
    """

    adapter: Adapter
    row_format: RowFormat
    texts: LabelTexts


class Request(NamedTuple):
    """A row to score.

    Attributes:
        which: number of its adapter.
        ids: [T] token ids of the row before its target.
    """

    which: int
    ids: np.ndarray


class Refusal(NamedTuple):
    """A row that cannot be answered.

    Attributes:
        line: its number, from 1.
        error: the reason.
    """

    line: int
    error: str


class Response(NamedTuple):
    """The prediction for a request.

    Attributes:
        adapter: name of the adapter.
        label: the label with the largest score; None where the scores are not finite.
        scores: score of each label, see `pooled_label_scores`.
    """

    adapter: str
    label: str | None
    scores: dict[str, float]


def _shared_precision(served: Mapping[str, ServedAdapter]) -> jnp.dtype:
    """The precision of all adapters. Raises InputError where they differ."""
    (first, entry), *others = served.items()
    precision = entry.row_format.precision
    for name, other in others:
        if other.row_format.precision != precision:
            allowed = f"{first!r} is in {precision}; adapters of other precisions are served apart"
            raise InputError(f"precision of {name!r}", other.row_format.precision, allowed)
    return jnp.dtype(precision)


class Service:
    """Scores batches of at most `size` rows, each with its own adapter, in one forward pass.

    A batch is padded to `size` rows, or fewer of long ones, see `batch_size_at`, so that all
    batches of a width share compiled code.
    """

    def __init__(
        self,
        model: Model,
        params: Leaves,
        served: Mapping[str, ServedAdapter],
        *,
        devices: Devices,
        size: int = 32,
    ):
        """Raises InputError for adapters that cannot share a batch."""
        dtype = _shared_precision(served)
        mesh = devices.mesh()
        self.served, self.devices = served, mesh.size
        self.size = -(-size // mesh.size) * mesh.size
        self.params = place_leaves(params, mesh)
        adapters = {name: entry.adapter for name, entry in served.items()}
        whole = NamedSharding(mesh, P())
        self.stacked = jax.device_put(stack_adapters(model, dtype, params, adapters), whole)
        by_row = NamedSharding(mesh, P(("data", "fsdp")))
        scores = partial(mixed_scores, model, dtype)
        self._score = Executable(jax.jit(scores, in_shardings=(None, None, by_row, by_row)))

    def request(self, name: str, row: Mapping[str, object]) -> Request:
        """A request to the adapter `name` with the columns of `row`.

        Raises InputError for an unknown name, a missing column and a prompt that is too long.
        """
        check_choice("adapter", name, self.served)
        encoded = self.served[name].row_format.encoded(row)
        return Request(list(self.served).index(name), encoded.tokens[0, : encoded.prompt_length[0]])

    def answers(self, requests: Sequence[Request]) -> list[Response]:
        """The responses, in the order of the requests."""
        if not requests:
            return []
        size = batch_size_at(_width(requests), self.size, self.devices)
        part, rest = requests[:size], requests[size:]
        rows, which = self._rows(part, size)
        scores = np.asarray(self._score(self.params, self.stacked, rows, which))
        pairs = zip(part, scores, strict=False)
        answers = [self._answer(row.which, row_scores) for row, row_scores in pairs]
        return answers + self.answers(rest)

    def _answer(self, which: int, scores: np.ndarray) -> Response:
        """The response for scores [K] of texts; the first are those of the adapter's labels."""
        name, served = list(self.served.items())[which]
        text_scores = scores[None, : len(served.texts.owner)]
        row_format = served.row_format
        label_scores = pooled_label_scores(text_scores, served.texts, row_format.normalisation)[0]
        labels, predicted = row_format.encoder.labels, int(predicted_classes(label_scores))
        by_label = dict(zip(labels, map(float, label_scores), strict=True))
        return Response(name, labels[predicted] if predicted >= 0 else None, by_label)

    def stream(self, rows: Iterable[Request | Refusal]) -> Iterator[Response | Refusal]:
        """The responses to any number of requests, and the refusals, in the order of the rows."""
        waiting: list[Request | Refusal] = []
        for row in rows:
            waiting.append(row)
            if len(waiting) == self.size:
                yield from self._in_order(waiting)
                waiting = []
        yield from self._in_order(waiting)

    def _in_order(self, rows: Sequence[Request | Refusal]) -> Iterator[Response | Refusal]:
        answers = iter(self.answers([row for row in rows if isinstance(row, Request)]))
        for row in rows:
            yield next(answers) if isinstance(row, Request) else row

    def _rows(self, requests: Sequence[Request], size: int) -> tuple[Rows, np.ndarray]:
        """(`size` rows, number of the adapter of each)."""
        start, which = np.zeros(size, np.int32), np.zeros(size, np.int32)
        tokens = np.zeros((size, _width(requests)), np.int32)
        for index, row in enumerate(requests):
            tokens[index, : len(row.ids)] = row.ids
            start[index], which[index] = len(row.ids), row.which
        unlabelled = np.zeros(size, np.int32)
        rows = Rows(tokens, start, start, unlabelled[:, None], unlabelled, unlabelled)
        return rows, which


def _width(requests: Sequence[Request]) -> int:
    """Tokens of the longest row, padded."""
    return bucket(max(len(row.ids) for row in requests))
