"""Label scores, losses and generated texts of many examples under an adapted backbone."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from research.evaluation.batch import (
    EncodedPrompts,
    batch_rows,
    bucket,
)
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.generated import Generated, Stop
from research.evaluation.generation import check_generation, generator, no_texts
from research.evaluation.label_scoring import label_scorer
from research.evaluation.length_batches import Batch, length_batches, size_on
from research.evaluation.lm_loss import loss_scorer
from research.evaluation.scoring import check_prompts
from research.evaluation.split_inputs import split_inputs
from research.evaluation.trunk.trunk import Trunk
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.models.model import Model
from research.runtime.devices import Devices, place_leaves
from research.runtime.executable import Call
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded, Labels

BatchReport = Callable[[int, int], None]  # of the examples that are done, and of all


def ignore_batches(done: int, total: int) -> None:
    """A `BatchReport` that does nothing."""
    del done, total


class AdaptedWeights(NamedTuple):
    """The parameters of an adapted backbone.

    Attributes:
        methods: the methods that adapt it, in their order.
        leaves: the backbone's leaves and those that the methods added.
    """

    methods: tuple[Method, ...]
    leaves: Leaves


@dataclass(frozen=True)
class Predictor:
    """Runs one model on many examples, in batches padded to few shapes.

    Compiled programs are cached by model, precision and devices, so that equal predictors share
    them. Results do not depend on the batch size or on the order of the examples. A batch of long
    rows has fewer of them than the batch size, see `batch_size_at`.

    Attributes:
        model: the backbone's architecture.
        devices: the devices over which the rows of a batch are split.
        dtype: the precision of the computation.
        trunk: keeps hidden states below the trained leaves; None to compute them each time.
        widths: the padded widths of prompts, see `padded_width`.
        report: called after each batch.
    """

    model: Model
    devices: Devices
    dtype: Any
    trunk: Trunk | None = field(default=None, kw_only=True, compare=False)
    widths: tuple[int, ...] = field(default=(), kw_only=True)
    report: BatchReport = field(default=ignore_batches, compare=False, kw_only=True)

    def scores(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels,
        batch_size: int = 32,
    ) -> np.ndarray:
        """Summed log-probability of every label after every prompt, [I, C] float32.

        Examples of similar length share a batch; the last batch is padded.
        Raises InputError for a decoder's row without a prompt, see `check_prompts`.
        """
        check_prompts(Adapted(self.model, *weights), prompts)
        rows = prompts.rows
        scores = np.zeros((len(rows.length), len(labels.length)), np.float32)
        suffix, done, report = len(prompts.frame.suffix_ids), 0, self._increasing(len(scores))
        score_call = self._score_call(weights, prompts, labels, report)
        for indices, size, width in self._batches(rows, batch_size, suffix):
            executable, args = score_call(indices, size, width)
            scores[indices] = np.asarray(executable(*args))[: len(indices)]
            done += len(indices)
            report(done)
        return scores

    def score_calls(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels,
        batch_size: int = 32,
    ) -> list[Call]:
        """The calls that `scores` will make, one of each shape, to compile ahead."""
        rows, suffix = prompts.rows, len(prompts.frame.suffix_ids)
        batches = self._batches(rows, batch_size, suffix)
        by_shape = {(size, width): indices for indices, size, width in batches}
        score_call = self._score_call(weights, prompts, labels)
        return [score_call(indices, *shape) for shape, indices in by_shape.items()]

    def loss(self, weights: AdaptedWeights, prompts: EncodedPrompts, batch_size: int = 8) -> float:
        """Mean negative log-probability of a target token, in nats; NaN without target tokens.

        All batches have one width, so that they share compiled code.
        Raises InputError for a decoder's row without a prompt, see `check_prompts`.
        """
        check_prompts(Adapted(self.model, *weights), prompts)
        rows = prompts.rows
        scorer = loss_scorer(self.model, self.dtype, self._mesh)  # pyright: ignore
        width, targets = bucket(int(rows.length.max(initial=1))), bucket(rows.longest_target)
        size = size_on(self._mesh.size, width, batch_size)
        kept = None if self.trunk is None else self.trunk.of_targets(*weights, prompts, targets)
        inputs = split_inputs(*weights, prompts, kept, self._mesh)
        total = count = 0.0
        for begin in range(0, len(rows.length), size):
            indices = np.arange(begin, min(begin + size, len(rows.length)))
            batch = inputs.batch(indices, size, width, targets)
            logprob, tokens = scorer(inputs.methods, inputs.leaves, batch, inputs.frame)
            total, count = total - float(logprob), count + int(tokens)
            self.report(begin + len(indices), len(rows.length))
        return total / count if count else float("nan")

    def generate(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        decoding: Decoding,
        *,
        ends: Sequence[int],
        pad: int = 0,
        batch_size: int = 32,
        seed: int = 0,
        automaton: TokenAutomaton | None = None,
    ) -> Generated:
        """One text after every prompt, in the order of the examples.

        A sampled text depends on its example's index too, which its random key comes from.

        Args:
            weights: the adapted backbone.
            prompts: the prompts; the targets in their rows are ignored.
            decoding: the decoding settings.
            ends: tokens that end a text, such as EOS; without any, all have the maximum length.
            pad: the padding token of the result.
            batch_size: rows of a batch.
            seed: the seed of sampling.
            automaton: of the pattern that every text must match; None without a pattern.

        Raises InputError for a model that generates no text, prompts without a token or without
        room for the text after them, and tokens that the model does not have.
        """
        rows, frame = prompts.rows, prompts.frame
        adapted = Adapted(self.model, *weights)
        check_generation(adapted, prompts, decoding, (*ends, pad))
        run = generator(self.model, decoding, self.dtype, self._mesh)  # pyright: ignore
        leaves = place_leaves(weights.leaves, self._mesh)
        stop = Stop(np.array(ends, np.int32), np.array(pad, np.int32))
        automaton = jax.device_put(automaton, NamedSharding(self._mesh, PartitionSpec()))
        methods = jax.tree.map(np.float32, weights.methods)  # traced fields, as compiled
        key, inputs = jax.random.key(seed), replace(rows, length=rows.prompt_length)
        texts = no_texts(len(rows.prompt_length), decoding.max_new_tokens, pad)
        new, done = decoding.num_beams * decoding.max_new_tokens, 0
        for indices, size, width in self._batches(rows, batch_size, new=new):
            batch = batch_rows(inputs, indices, size, width, 0)
            row_index = np.pad(indices, (0, size - len(indices))).astype(np.int32)
            batch = batch._replace(row_index=row_index)
            part = run(methods, leaves, batch, frame, stop, key, automaton)
            for name in ("tokens", "length", "score"):
                getattr(texts, name)[indices] = np.asarray(getattr(part, name))[: len(indices)]
            texts.steps[...] += np.asarray(part.steps)
            done += len(indices)
            self.report(done, len(texts.tokens))
        return texts

    @cached_property
    def _mesh(self) -> Mesh:
        return self.devices.mesh()

    def _batches(
        self, rows: Encoded, batch_size: int, suffix: int = 0, new: int = 0
    ) -> Iterator[Batch]:
        return length_batches(rows, batch_size, self._mesh.size, self.widths, suffix, new)

    def _increasing(self, total: int) -> Callable[[int], None]:
        """Reports the largest number of examples that are done so far."""
        most = 0

        def report(done: int) -> None:
            nonlocal most
            most = max(most, done)
            self.report(most, total)

        return report

    def _score_call(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels,
        report: Callable[[int], None] = lambda done: None,
    ) -> Callable[[np.ndarray, int, int], Call]:
        """The call that scores a batch, from the indices of its examples, its size and width.

        States of the trunk are computed here. They take most of the time, so `report` takes the
        number of examples that have them, except the last example, which is not scored yet.
        """
        most = len(prompts.rows.length) - 1
        scorer = label_scorer(self.model, self.dtype, self._mesh)  # pyright: ignore
        kept = None
        if self.trunk is not None:
            kept = self.trunk.of_labels(
                *weights, prompts, labels, lambda done: report(min(done, most))
            )
        inputs = split_inputs(*weights, prompts, kept, self._mesh)

        def call(indices: np.ndarray, size: int, width: int) -> Call:
            batch = inputs.batch(indices, size, width, labels.tokens.shape[1])
            return Call(scorer, (inputs.methods, inputs.leaves, batch, inputs.frame, labels))

        return call
