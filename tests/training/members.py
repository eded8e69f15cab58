"""Members over tiny data, and the one program most training tests run them with."""

from dataclasses import replace
from pathlib import Path

import jax
import numpy as np

from research.methods.lora import LoRA
from research.methods.method import Leaves
from research.methods.shared.leaves import add
from research.runtime.devices import Devices
from research.tasks.encoding.encoded import Encoded
from research.training.checkpoint import Checkpoints
from research.training.member import Member
from research.training.optimizer import Schedule
from research.training.step import Program
from tests.tiny import FRAME, WORDS, decoder, encoded, hyper

METHOD = LoRA(rank=3, alpha=6.0, dropout=0.2, targets=("query",))
SCHEDULE = Schedule(
    steps=10, batch_size=16, eval_every=2, patience=2, warmup=0.0, decay="constant", clip=0.1
)
MODEL, PARAMS = decoder(layers=1)
PROGRAM = Program(MODEL, SCHEDULE)
VMAP = Devices(count=1, members="vmap")


def member(
    seed: int,
    learning_rate: float = 0.01,
    weight_decay: float = 0.0,
    params: Leaves = PARAMS,
    **changes,
) -> Member:
    """A member that differs from others by its seed and by traced hyper-parameters only."""
    method = replace(METHOD, **changes)
    return Member(
        seed,
        hyper(method, learning_rate, weight_decay),
        params | add(method, jax.random.PRNGKey(seed), params, WORDS),
        encoded(12, seed),
        encoded(8, seed + 100),
        FRAME,
    )


def misled(seed: int) -> Member:
    """A member whose dev set has the one label that it never meets in training."""
    return replace(
        member(seed),
        train=of_label(1, encoded(60, seed)),
        dev=of_label(0, encoded(60, seed), 8),
    )


def of_label(label: int, examples: Encoded, count: int = 12) -> Encoded:
    """The first examples of one label."""
    chosen = np.flatnonzero(examples.label == label)[:count]
    parts = (examples.tokens, examples.length, examples.prompt_length, examples.label)
    return Encoded(*(part[chosen] for part in parts), cut=0)


def broken(seed: int) -> Member:
    """A member whose LoRA factors grow a millionfold a step, beyond float32 after some steps."""
    return member(seed, weight_decay=1e8)


def assert_same_leaves(left: Leaves, right: Leaves) -> None:
    """The same leaves, bit for bit."""
    assert left.keys() == right.keys()
    for path, leaf in left.items():
        np.testing.assert_array_equal(leaf, right[path], err_msg=path)


class Killed(Exception):
    """Stands for the end of the process."""


class Once(Checkpoints):
    """Saves after `at` steps; with `killed`, the process ends right after that."""

    def __init__(self, folder: Path, at: int = 0, killed: bool = False):
        super().__init__(folder, {"runs": ["some", "others"]})
        self.left, self.killed, self.saved = at, killed, []

    def due(self):
        self.left -= 1
        return self.left == 0

    def save(self, parts, progress):
        super().save(parts, progress)
        self.saved.append(progress["step"])
        if self.killed:
            raise Killed
