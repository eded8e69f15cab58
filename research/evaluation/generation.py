"""Texts of the batches of a split, and what generation requires."""

import functools
from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts, PromptFrame, Rows, batch_rows
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.beams import beam_search
from research.evaluation.decoding.cache import read_prompts
from research.evaluation.decoding.generated import Generated, Stop
from research.evaluation.decoding.sequence import sequences
from research.evaluation.routes.row import random_keys
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.runtime.executable import Executable
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded


def generated(
    adapted: Adapted,
    rows: Rows,
    frame: PromptFrame,
    stop: Stop,
    decoding: Decoding,
    key: jax.Array,
    automaton: TokenAutomaton | None = None,
) -> Generated:
    """Texts after the prompts of one batch; row i samples with `fold_in(key, row_index[i] + 1)`.

    automaton: of the pattern that every text must match.
    """
    cast = {path: jnp.asarray(leaf, adapted.dtype) for path, leaf in adapted.leaves.items()}
    adapted = replace(adapted, leaves=cast)  # once, rather than at every step
    start, real = read_prompts(adapted, rows, frame), jnp.asarray(rows.prompt_length) > 0
    # A scan would stack all weights, keys and values again for each token.
    adapted = replace(adapted, model=adapted.model.with_layers("unrolled"))
    if decoding.num_beams > 1:
        return beam_search(adapted, start, real, stop, decoding, automaton)
    keys = random_keys(rows, key) if decoding.do_sample else None
    return sequences(adapted, start, real, stop, decoding, keys, automaton)


@functools.lru_cache
def generation_program(model: Model, decoding: Decoding, dtype: Any, mesh: Mesh) -> Executable:
    """The compiled program, rows split over all devices; one per model and settings."""

    def run(
        methods,
        leaves: Leaves,
        batch: Rows,
        frame: PromptFrame,
        stop: Stop,
        key: jax.Array,
        automaton: TokenAutomaton | None,
    ):
        adapted = Adapted(model, methods, leaves, dtype)
        return generated(adapted, batch, frame, stop, decoding, key, automaton)

    by_row = NamedSharding(mesh, P(("data", "fsdp")))
    return Executable(jax.jit(run, in_shardings=(None, None, by_row, None, None, None, None)))


class TextGenerator(NamedTuple):
    """Generates the texts after the prompts of a split, a batch at a time.

    Attributes:
        program: the compiled program.
        methods: the methods at work.
        leaves: of the adapted backbone, on the devices.
        rows: the prompts; the targets in them are ignored.
        frame: the ids around every row.
        stop: the tokens that end a text.
        key: the random key of all samples.
        automaton: of the pattern that every text must match; None without a pattern.
    """

    program: Executable
    methods: tuple[Method, ...]
    leaves: Leaves
    rows: Encoded
    frame: PromptFrame
    stop: Stop
    key: jax.Array
    automaton: TokenAutomaton | None

    def texts(self, indices: np.ndarray, size: int, width: int) -> Generated:
        """The texts of the examples at `indices`, as `size` rows of prompts of `width` tokens."""
        rows = replace(self.rows, length=self.rows.prompt_length)
        row_index = np.pad(indices, (0, size - len(indices))).astype(np.int32)
        batch = batch_rows(rows, indices, size, width, 0)._replace(row_index=row_index)
        shared = (self.frame, self.stop, self.key, self.automaton)
        return self.program(self.methods, self.leaves, batch, *shared)


def no_texts(count: int, most: int, pad: int) -> Generated:
    """Padding alone, to be filled with the texts of `count` examples."""
    return Generated(
        tokens=np.full((count, most), pad, np.int32),
        length=np.zeros(count, np.int32),
        score=np.zeros(count, np.float32),
        steps=np.zeros((), np.int32),
    )


def check_generation(
    adapted: Adapted, prompts: EncodedPrompts, decoding: Decoding, special: tuple[int, ...]
) -> None:
    """Raises InputError for what generation cannot do, see `Predictor.generate`."""
    lengths, frame = prompts.rows.prompt_length, prompts.frame
    if adapted.route not in ("causal", "seq2seq"):
        raise InputError("route", adapted.route, "only causal and seq2seq models generate text")
    size, context = adapted.model.config.vocab_size, adapted.model.config.context
    for token in special:
        if not 0 <= token < size:
            raise InputError("token", token, f"the model has the tokens 0 to {size - 1}")
    if (lengths < 1).any():
        example = int(np.argmin(lengths))
        raise InputError("example", example, "its prompt has no token to continue")
    if context is not None and len(lengths):
        before = sum(method.positions for method in adapted.methods) + int(frame.prefix_length)
        left = context - before - int(lengths.max())
        if decoding.max_new_tokens > left:
            allowed = f"the longest prompt leaves {max(left, 0)} of {context} positions"
            raise InputError("max_new_tokens", decoding.max_new_tokens, allowed)
