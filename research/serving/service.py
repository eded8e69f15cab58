"""Serves many adapters of one backbone: batches of requests in, label scores out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError, choose_from
from research.evaluation.batch import Rows, bucket
from research.evaluation.calibration import pooled_label_scores, predicted_classes
from research.methods.method import Leaves
from research.models.model import Model
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import Executable
from research.serving.mixed_batch import mixed_scores
from research.serving.stacked_adapters import Adapter, stack_adapters
from research.tasks.encoding.encoded import LabelTexts, Normalisation
from research.tasks.encoding.encoder import Encoder
from research.tasks.task import Example


class ServedAdapter(NamedTuple):
    """An adapter with the encoding of its task.

    Attributes:
        adapter: the adapter.
        encoder: writes its rows.
        texts: texts of its labels.
        normalisation: of the scores of texts.
    """

    adapter: Adapter
    encoder: Encoder
    texts: LabelTexts
    normalisation: Normalisation = "sum"


class Request(NamedTuple):
    """A row to score.

    Attributes:
        which: number of its adapter.
        ids: [T] token ids of its prompt.
    """

    which: int
    ids: np.ndarray


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


class Service:
    """Scores batches of at most `size` rows, each with its own adapter, in one forward pass.

    A batch is padded to `size` rows, so that all batches of a width share compiled code.
    """

    def __init__(
        self,
        model: Model,
        params: Leaves,
        served: Mapping[str, ServedAdapter],
        *,
        devices: Devices,
        dtype: Any,
        size: int = 32,
    ):
        """Raises InputError for adapters that cannot share a batch."""
        mesh = devices.mesh()
        self.served, self.size = served, -(-size // mesh.size) * mesh.size
        self.params = place_leaves(params, mesh)
        adapters = {name: entry.adapter for name, entry in served.items()}
        whole = NamedSharding(mesh, P())
        self.bank = jax.device_put(stack_adapters(model, dtype, params, adapters), whole)
        by_row = NamedSharding(mesh, P(("data", "fsdp")))
        scores = partial(mixed_scores, model, dtype)
        self._score = Executable(jax.jit(scores, in_shardings=(None, None, by_row, by_row)))

    def request(self, name: str, fields: Mapping[str, str]) -> Request:
        """A request to the adapter `name` with the columns `fields`.

        Raises InputError for an unknown name, a missing column and a prompt that is too long.
        """
        if name not in self.served:
            raise InputError("adapter", name, choose_from(self.served, name))
        encoder = self.served[name].encoder
        encoder.template.check(fields)
        encoded = encoder.examples([Example(fields, encoder.labels[0])])
        return Request(list(self.served).index(name), encoded.tokens[0, : encoded.prompt_length[0]])

    def answers(self, requests: Sequence[Request]) -> list[Response]:
        """The responses, in the order of the requests."""
        if not requests:
            return []
        rows, which = self._rows(requests)
        scores = np.asarray(self._score(self.params, self.bank, rows, which))
        pairs = zip(requests, scores, strict=False)
        return [self._answer(row.which, row_scores) for row, row_scores in pairs]

    def _answer(self, which: int, scores: np.ndarray) -> Response:
        """The response for scores [K] of texts; the first are those of the adapter's labels."""
        name, served = list(self.served.items())[which]
        text_scores = scores[None, : len(served.texts.owner)]
        label_scores = pooled_label_scores(text_scores, served.texts, served.normalisation)[0]
        labels, predicted = served.encoder.labels, int(predicted_classes(label_scores))
        by_label = dict(zip(labels, map(float, label_scores), strict=True))
        return Response(name, labels[predicted] if predicted >= 0 else None, by_label)

    def stream(self, requests: Iterable[Request]) -> Iterator[Response]:
        """The responses to any number of requests.

        If an invalid row raises InputError, the rows before it are answered first.
        """
        waiting: list[Request] = []
        try:
            for row in requests:
                waiting.append(row)
                if len(waiting) == self.size:
                    yield from self.answers(waiting)
                    waiting = []
        except InputError:
            yield from self.answers(waiting)
            raise
        yield from self.answers(waiting)

    def _rows(self, requests: Sequence[Request]) -> tuple[Rows, np.ndarray]:
        """(`size` rows, number of the adapter of each)."""
        start, which = np.zeros(self.size, np.int32), np.zeros(self.size, np.int32)
        tokens = np.zeros((self.size, bucket(max(len(row.ids) for row in requests))), np.int32)
        for index, row in enumerate(requests):
            tokens[index, : len(row.ids)] = row.ids
            start[index], which[index] = len(row.ids), row.which
        unlabelled = np.zeros(self.size, np.int32)
        rows = Rows(tokens, start, start, unlabelled[:, None], unlabelled, unlabelled)
        return rows, which
