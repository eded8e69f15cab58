"""Tasks on one backbone, asked by name: batches of rows in, answers out."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError, choose_from
from research.evaluation.batch import Rows, bucket
from research.evaluation.calibration import pooled_label_scores
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
    """An adapter, whose labels are `texts`, what writes rows for it, and how they are read."""

    adapter: Adapter
    encoder: Encoder
    texts: LabelTexts
    normalisation: Normalisation = "sum"


class Request(NamedTuple):
    """A row: the place of its adapter, and the ids [T] of its prompt."""

    which: int
    ids: np.ndarray


class Response(NamedTuple):
    """scores: of each label, by `research.evaluation.calibration`; `label` has the largest."""

    adapter: str
    label: str
    scores: dict[str, float]


class Service:
    """Answers batches of at most `size` rows, each by the adapter that it names, in one forward
    pass. A batch is padded to `size` rows, so that all batches of a width share compiled code.
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
        adapters = {name: one.adapter for name, one in served.items()}
        whole = NamedSharding(mesh, P())
        self.bank = jax.device_put(stack_adapters(model, dtype, params, adapters), whole)
        by_row = NamedSharding(mesh, P(("data", "fsdp")))
        scores = partial(mixed_scores, model, dtype)
        self._score = Executable(jax.jit(scores, in_shardings=(None, None, by_row, by_row)))

    def request(self, name: str, fields: Mapping[str, str]) -> Request:
        """A row for the adapter `name`. Raises InputError for a name that no adapter has, for a
        column that its template misses, and for a prompt that is too long.
        """
        if name not in self.served:
            raise InputError("adapter", name, choose_from(self.served, name))
        encoder = self.served[name].encoder
        encoder.template.check(fields)
        encoded = encoder.examples([Example(fields, encoder.labels[0])])
        return Request(list(self.served).index(name), encoded.tokens[0, : encoded.prompt_length[0]])

    def answers(self, asked: Sequence[Request]) -> list[Response]:
        """In the order of the rows."""
        if not asked:
            return []
        rows, which = self._rows(asked)
        scores = np.asarray(self._score(self.params, self.bank, rows, which))
        return [self._answer(row.which, own) for row, own in zip(asked, scores, strict=False)]

    def _answer(self, which: int, scores: np.ndarray) -> Response:
        """From the scores [K] of texts, of which those of the adapter are the first."""
        name, served = list(self.served.items())[which]
        own = scores[None, : len(served.texts.owner)]
        read = pooled_label_scores(own, served.texts, served.normalisation)[0]
        by_label = dict(zip(served.encoder.labels, map(float, read), strict=True))
        return Response(name, max(by_label, key=by_label.__getitem__), by_label)

    def stream(self, asked: Iterable[Request]) -> Iterator[Response]:
        """The answers to any number of rows. Where reading one raises InputError, those before it
        are answered first.
        """
        waiting: list[Request] = []
        try:
            for row in asked:
                waiting.append(row)
                if len(waiting) == self.size:
                    yield from self.answers(waiting)
                    waiting = []
        except InputError:
            yield from self.answers(waiting)
            raise
        yield from self.answers(waiting)

    def _rows(self, asked: Sequence[Request]) -> tuple[Rows, np.ndarray]:
        """(`size` rows, the place of each one's adapter)."""
        start, which = np.zeros(self.size, np.int32), np.zeros(self.size, np.int32)
        tokens = np.zeros((self.size, bucket(max(len(row.ids) for row in asked))), np.int32)
        for place, row in enumerate(asked):
            tokens[place, : len(row.ids)] = row.ids
            start[place], which[place] = len(row.ids), row.which
        nothing = np.zeros(self.size, np.int32)  # no label is known to be right
        rows = Rows(tokens, start, start, nothing[:, None], nothing, nothing)
        return rows, which
