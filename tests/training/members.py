"""Members over tiny data, and the one program most training tests run them with."""

from dataclasses import replace

import jax
import numpy as np

from research.devices import Devices
from research.methods.lora import LoRA
from research.methods.method import Leaves, add
from research.training.loop import Member
from research.training.optimizer import Schedule
from research.training.step import Program
from tests.tiny import PREFIX, decoder, encoded, hyper

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
        params | add(method, jax.random.PRNGKey(seed), params),
        encoded(12, seed),
        encoded(8, seed + 100),
        PREFIX,
    )


def misled(seed: int, learning_rate: float = 0.3) -> Member:
    """A member whose dev set says the opposite of what it is trained on."""
    kept = member(seed, learning_rate)
    dev = encoded(8, seed + 100)
    tokens = np.array(dev.tokens)
    tokens[:, 0] = 3 - tokens[:, 0]
    return replace(kept, dev=replace(dev, tokens=tokens))


def broken(seed: int) -> Member:
    """A member whose LoRA factors grow a millionfold a step, beyond float32 after some steps."""
    return member(seed, weight_decay=1e8)


def assert_same_leaves(left: Leaves, right: Leaves) -> None:
    """The same leaves, bit for bit."""
    assert left.keys() == right.keys()
    for path, leaf in left.items():
        np.testing.assert_array_equal(leaf, right[path], err_msg=path)
