"""Label scores, losses and generated texts of many examples under an adapted backbone."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from research.evaluation.batch import EncodedPrompts, bucket, choices_shape
from research.evaluation.batched_model import BatchedModel
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.generated import Generated, Stop
from research.evaluation.generation import (
    TextGenerator,
    check_generation,
    generation_program,
    no_texts,
)
from research.evaluation.label_scoring import LabelScorer, label_program, with_prefix_computed
from research.evaluation.length_batches import Batch, size_on
from research.evaluation.lm_loss import loss_scorer
from research.evaluation.scoring import check_prompts
from research.evaluation.split_inputs import split_inputs
from research.methods.adapted import Adapted
from research.methods.method import Leaves, Method
from research.runtime.devices import place_leaves
from research.runtime.executable import Call
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded, Labels


class AdaptedWeights(NamedTuple):
    """The parameters of an adapted backbone.

    Attributes:
        methods: the methods that adapt it, in their order.
        leaves: the backbone's leaves and those that the methods added.
    """

    methods: tuple[Method, ...]
    leaves: Leaves


@dataclass(frozen=True)
class Predictor(BatchedModel):
    """Runs one model on many examples, in batches padded to few shapes.

    Compiled programs are cached by model, precision and devices, so that equal predictors share
    them. Results do not depend on the batch size or on the order of the examples.
    """

    def scores(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels | None = None,
        batch_size: int = 32,
    ) -> np.ndarray:
        """Summed log-probability of every label after every prompt, [I, C] float32.

        Examples of similar length share a batch; the last batch is padded. Without labels each row
        has its own choices, and -inf for those that it lacks.
        Raises InputError for a decoder's row without a prompt, see `check_prompts`.
        """
        check_prompts(Adapted(self.model, *weights), prompts)
        shape = (len(prompts.rows.length), _labels(prompts.rows, labels).length.shape[-1])
        scores = np.zeros(shape, np.float32)
        done, report = 0, self._increasing(len(scores))
        scorer = self._label_scorer(weights, prompts, labels, report)
        for indices, size, width in self._scored_batches(prompts, batch_size, labels):
            executable, args = scorer.call(indices, size, width)
            scores[indices] = np.asarray(executable(*args))[: len(indices)]
            done += len(indices)
            report(done)
        return scores

    def score_calls(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels | None = None,
        batch_size: int = 32,
    ) -> list[Call]:
        """The calls that `scores` will make, one of each shape, to compile ahead."""
        own = prompts.rows.choices if labels is None else None
        by_shape = {
            (size, width, own and choices_shape(own.targets, indices)): indices
            for indices, size, width in self._scored_batches(prompts, batch_size, labels)
        }
        scorer = self._label_scorer(weights, prompts, labels)
        return [scorer.call(indices, size, width) for (size, width, _), indices in by_shape.items()]

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
        rows, adapted = prompts.rows, Adapted(self.model, *weights)
        check_generation(adapted, prompts, decoding, (*ends, pad))
        everywhere = NamedSharding(self._mesh, PartitionSpec())
        program = generation_program(self.model, decoding, self.dtype, self._mesh)  # pyright: ignore
        generator = TextGenerator(
            program=program,
            methods=jax.tree.map(np.float32, weights.methods),  # traced fields, as compiled
            leaves=place_leaves(weights.leaves, self._mesh),
            rows=rows,
            frame=prompts.frame,
            stop=Stop(np.array(ends, np.int32), np.array(pad, np.int32)),
            key=jax.random.key(seed),
            automaton=jax.device_put(automaton, everywhere),
        )
        texts = no_texts(len(rows.prompt_length), decoding.max_new_tokens, pad)
        new, done = decoding.num_beams * decoding.max_new_tokens, 0
        for indices, size, width in self._batches(rows, batch_size, new=new):
            part = generator.texts(indices, size, width)
            for name in ("tokens", "length", "score"):
                getattr(texts, name)[indices] = np.asarray(getattr(part, name))[: len(indices)]
            texts.steps[...] += np.asarray(part.steps)
            done += len(indices)
            self.report(done, len(texts.tokens))
        return texts

    def _scored_batches(
        self, prompts: EncodedPrompts, batch_size: int, labels: Labels | None
    ) -> Iterator[Batch]:
        """The batches; a row's own choices have positions of their own."""
        own = 0 if labels is not None else math.prod(_labels(prompts.rows, None).tokens.shape[1:])
        return self._batches(
            prompts.rows, batch_size, suffix=len(prompts.frame.suffix_ids), new=own
        )

    def _label_scorer(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels | None,
        report: Callable[[int], None] = lambda done: None,
    ) -> LabelScorer:
        """The scorer of a split's batches.

        States of the trunk are computed here. They take most of the time, so `report` takes the
        number of examples that have them, except the last example, which is not scored yet.
        """
        most, kept = len(prompts.rows.length) - 1, None
        if self.trunk is not None and labels is not None:
            kept = self.trunk.of_labels(
                *weights, prompts, labels, lambda done: report(min(done, most))
            )
        inputs = split_inputs(*weights, prompts, kept, self._mesh)
        if kept is None and self.shapes.prefix_apart:
            inputs = with_prefix_computed(inputs, self.model, self.dtype, self._mesh)
        program = label_program(self.model, self.dtype, self._mesh)  # pyright: ignore
        return LabelScorer(program, inputs, labels)


def _labels(rows: Encoded, labels: Labels | None) -> Labels:
    """The labels that all rows share, or the rows' own choices for None."""
    if labels is None:
        assert rows.choices is not None  # rows without choices are scored by labels
        return rows.choices.targets
    return labels
