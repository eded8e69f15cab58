"""Answering by a text: what a backbone generates, and the loss of what it should have written."""

import functools
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P
from transformers import PreTrainedTokenizerBase

from research.devices import Devices, spread
from research.evaluation.batch import Frame, Rows, bucket, rows
from research.evaluation.generation import generate
from research.evaluation.scoring import target_logprobs
from research.executable import Executable
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.tasks.encoded import Encoded
from research.tasks.text_task import TextTask
from research.tasks.texts import Texts


class Written(NamedTuple):
    """loss: mean negative log-probability of a token of the first reference, in nats. metrics:
    every metric by name, the loss with them.
    """

    texts: Texts
    loss: float
    metrics: dict[str, float]


@dataclass(frozen=True)
class Writing:
    """Generates as the task's `decoding` says. ending: the ids that follow a text in training; a
    text ends at the last of them, at EOS, and before the first end of the verbalizer.
    """

    task: TextTask
    tokenizer: PreTrainedTokenizerBase
    ending: tuple[int, ...]

    def targets(self, encoded: Encoded) -> int:
        """The tokens of the longest target, rounded up."""
        return bucket(int((encoded.length - encoded.start).max()))

    def answers(self, model, methods, leaves, encoded, frame, *, devices, dtype) -> Written:
        """A text for each row, and what it is worth beside the row's references."""
        where = {"devices": devices, "dtype": dtype}
        loss = text_loss(model, methods, leaves, encoded, frame, self.targets(encoded), **where)
        found = generate(
            model, methods, leaves, encoded, frame, self.task.decoding, ends=self._ends, **where
        )
        lines = zip(np.asarray(found.tokens), np.asarray(found.length), strict=True)
        texts = self.task.judged([self._read(row[:n]) for row, n in lines], encoded.references)
        return Written(texts, loss, {**texts.metrics(), "loss": loss})

    @property
    def _ends(self) -> tuple[int, ...]:
        last = self.tokenizer.eos_token_id
        # An ending of several tokens ends a text as well, but none of them alone does.
        own = self.ending if len(self.ending) == 1 else ()
        return tuple(dict.fromkeys((*own, *((last,) if isinstance(last, int) else ()))))

    def _read(self, tokens: np.ndarray) -> str:
        text = self.tokenizer.decode(
            tokens.tolist(), skip_special_tokens=True, clean_up_tokenization_spaces=False
        )
        assert isinstance(text, str)  # of one row
        end = self.task.verbalizer.end
        return (text.split(end)[0] if end else text).strip()


def text_loss(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    encoded: Encoded,
    frame: Frame,
    targets: int,
    *,
    devices: Devices,
    dtype: Any,
    batch_size: int = 32,
) -> float:
    """The mean over all target tokens of their negative log-probability, in nats: the objective of
    training. targets: columns that hold the longest target.
    """
    mesh = devices.mesh()
    run = _losses(model, dtype, mesh)  # pyright: ignore
    size = -(-batch_size // mesh.size) * mesh.size
    leaves = spread(leaves, mesh)
    total, order = 0.0, np.argsort(encoded.length, kind="stable")
    for begin in range(0, len(order), size):
        chosen = order[begin : begin + size]
        width = bucket(int(encoded.length[chosen].max()))
        part = run(methods, leaves, rows(encoded, chosen, size, width, targets), frame)
        total += float(np.asarray(part, np.float64).sum())
    return total / int((encoded.length - encoded.start).sum())


@functools.lru_cache
def _losses(model: Model, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled sum over each row's target [B], rows cut over all devices."""

    def losses(methods, leaves: Leaves, batch: Rows, frame: Frame) -> jax.Array:
        logprobs, counted = target_logprobs(Adapted(model, methods, leaves, dtype), batch, frame)
        return -jnp.where(counted, logprobs, 0.0).sum(axis=-1)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(losses, in_shardings=(None, None, by_row, None)))
