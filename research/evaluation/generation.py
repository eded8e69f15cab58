"""Texts that an adapted backbone generates for many prompts."""

import functools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError
from research.evaluation.batch import PromptFrame, Rows, batch_rows, bucket
from research.evaluation.decoding.beams import beam_search
from research.evaluation.decoding.cache import read_prompts
from research.evaluation.decoding.generated import Generated, Stop
from research.evaluation.decoding.sequence import sequences
from research.evaluation.routes.row import row_keys
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import Executable
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded


def generate(
    model: Model,
    methods: tuple[Method, ...],
    leaves: Leaves,
    encoded: Encoded,
    frame: PromptFrame,
    decoding: Decoding,
    *,
    ends: Sequence[int],
    devices: Devices,
    dtype: Any,
    pad: int = 0,
    batch_size: int = 32,
    seed: int = 0,
) -> Generated:
    """A text after every example's prompt, `batch_size` at a time; targets are not looked at.

    Rows of similar length share a batch, and the last batch is padded, so that few shapes are
    compiled. ends: the tokens that end a text, such as EOS; without any, all are as long as they
    may be. The result is in the order of the examples, and does not depend on the batch size or,
    but for the place an example's random key comes from, on the other examples.

    Raises InputError for a model that generates no text, prompts without a token or without room
    for the text after them, and tokens that the model does not have.
    """
    _check(Adapted(model, methods, leaves), encoded, frame, decoding, (*ends, pad))
    mesh = devices.mesh()
    run = _generator(model, decoding, dtype, mesh)  # pyright: ignore
    size = -(-batch_size // mesh.size) * mesh.size
    leaves = place_leaves(leaves, mesh)
    stop = Stop(np.array(ends, np.int32), np.array(pad, np.int32))
    methods = jax.tree.map(np.float32, methods)  # the traced fields, as the program wants them
    key, prompts = jax.random.key(seed), replace(encoded, length=encoded.prompt_length)
    whole = _nothing(len(encoded.prompt_length), decoding.max_new_tokens, pad)
    order = np.argsort(encoded.prompt_length, kind="stable")
    for begun in range(0, len(order), size):
        chosen = order[begun : begun + size]
        batch = batch_rows(
            prompts, chosen, size, bucket(int(encoded.prompt_length[chosen].max())), 0
        )
        place = np.pad(chosen, (0, size - len(chosen))).astype(np.int32)
        part = run(methods, leaves, batch._replace(row_index=place), frame, stop, key)
        for name in ("tokens", "length", "score"):
            getattr(whole, name)[chosen] = np.asarray(getattr(part, name))[: len(chosen)]
        whole.steps[...] += np.asarray(part.steps)
    return whole


def generated(
    adapted: Adapted, rows: Rows, frame: PromptFrame, stop: Stop, decoding: Decoding, key: jax.Array
) -> Generated:
    """Texts after the prompts of one batch; row i draws with `fold_in(key, rows.place[i] + 1)`."""
    cast = {path: jnp.asarray(leaf, adapted.dtype) for path, leaf in adapted.leaves.items()}
    adapted = replace(adapted, leaves=cast)  # once, rather than at every step
    start, real = read_prompts(adapted, rows, frame), jnp.asarray(rows.prompt_length) > 0
    if decoding.num_beams > 1:
        return beam_search(adapted, start, real, stop, decoding)
    keys = row_keys(rows, key) if decoding.do_sample else None
    return sequences(adapted, start, real, stop, decoding, keys)


@functools.lru_cache
def _generator(model: Model, decoding: Decoding, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled program, rows cut over all devices; one per model and settings."""

    def run(methods, leaves: Leaves, batch: Rows, frame: PromptFrame, stop: Stop, key: jax.Array):
        adapted = Adapted(model, methods, leaves, dtype)
        return generated(adapted, batch, frame, stop, decoding, key)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(run, in_shardings=(None, None, by_row, None, None, None)))


def _nothing(count: int, most: int, pad: int) -> Generated:
    """No text yet for each of `count` examples."""
    return Generated(
        tokens=np.full((count, most), pad, np.int32),
        length=np.zeros(count, np.int32),
        score=np.zeros(count, np.float32),
        steps=np.zeros((), np.int32),
    )


def _check(
    adapted: Adapted,
    encoded: Encoded,
    frame: PromptFrame,
    decoding: Decoding,
    special: tuple[int, ...],
) -> None:
    if adapted.route not in ("causal", "seq2seq"):
        raise InputError("route", adapted.route, "only causal and seq2seq models generate text")
    size, context = adapted.model.config.vocab_size, adapted.model.config.context
    for token in special:
        if not 0 <= token < size:
            raise InputError("token", token, f"the model has the tokens 0 to {size - 1}")
    if (encoded.prompt_length < 1).any():
        example = int(np.argmin(encoded.prompt_length))
        raise InputError("example", example, "its prompt has no token to continue")
    if context is not None and len(encoded.prompt_length):
        before = sum(method.positions for method in adapted.methods) + int(frame.prefix_length)
        left = context - before - int(encoded.prompt_length.max())
        if decoding.max_new_tokens > left:
            allowed = f"the longest prompt leaves {max(left, 0)} of {context} positions"
            raise InputError("max_new_tokens", decoding.max_new_tokens, allowed)
