"""A predictor that computes each result of one set of weights once."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from research.common.hashing import sha256
from research.evaluation.batch import EncodedPrompts
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.generated import Generated
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.methods.shared.leaves import adding, backbone, mask
from research.runtime.executable import count_reused, scoring_clock
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Labels


@dataclass(frozen=True)
class CachedPredictor(Predictor):
    """Results of one set of weights, which are no part of a result's key.

    Attributes:
        cache: returns the result of a key, which it computes by its second argument the first
            time; a key is a hash of the arguments.
    """

    cache: Callable[[str, Callable[[], Any]], Any] = field(compare=False)

    def scores(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels | None = None,
        batch_size: int = 32,
    ) -> np.ndarray:
        def compute() -> np.ndarray:
            return super(CachedPredictor, self).scores(weights, prompts, labels, batch_size)

        choices = prompts.rows.choices
        if labels is None and choices is not None:
            described = [(x.shape, sha256(x.tobytes())) for x in choices.targets]
        else:
            described = [x.tolist() for x in labels or ()]
        return self._cached(compute, "scores", weights, prompts, (batch_size, described))

    def loss(self, weights: AdaptedWeights, prompts: EncodedPrompts, batch_size: int = 8) -> float:
        def compute() -> float:
            return super(CachedPredictor, self).loss(weights, prompts, batch_size)

        settings = (batch_size, prompts.rows.length.tolist())
        return self._cached(compute, "loss", weights, prompts, settings)

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
        def compute() -> Generated:
            return super(CachedPredictor, self).generate(
                weights,
                prompts,
                decoding,
                ends=ends,
                pad=pad,
                batch_size=batch_size,
                seed=seed,
                automaton=automaton,
            )

        table = None if automaton is None else [np.asarray(x).tobytes() for x in automaton]
        drawn = seed if decoding.do_sample else None  # without samples all seeds have one text
        settings = (batch_size, decoding, tuple(ends), pad, drawn, table)
        return self._cached(compute, "generate", weights, prompts, settings)

    def _cached(
        self,
        compute: Callable[[], Any],
        name: str,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        settings: Any,
    ) -> Any:
        frame = prompts.frame._replace(states=(), prefix=())  # which follow from the rest
        arrays = (prompts.rows.tokens, prompts.rows.prompt_length, *frame)
        content = [np.asarray(array).tobytes() for array in arrays]
        described = (name, *self._program(weights), self.shapes, settings)
        content.append(repr(described).encode())
        return self._result(hashlib.sha256(b" ".join(content)).hexdigest(), compute)

    def _result(self, key: str, compute: Callable[[], Any]) -> Any:
        return self.cache(key, compute)

    def _program(self, weights: AdaptedWeights) -> tuple[Any, ...]:
        """What the computation depends on beside its arrays: methods, and where a trunk may end.

        A method that adds nothing, as full fine-tuning, runs by the program of the backbone alone.
        """
        trained = mask(weights.methods, backbone(weights.leaves))
        frozen = [path for path, trains in trained.items() if not trains]
        divided = self.trunk is not None and 0 < len(frozen) < len(trained)
        return adding(*weights), frozen if divided else ()


@dataclass(frozen=True)
class SharedPredictor(CachedPredictor):
    """Results of the unadapted backbone, which many seeds, regimes and approaches share.

    A result that is reused counts on the scoring clock as long as its computation took.
    """

    def _result(self, key: str, compute: Callable[[], Any]) -> Any:
        def timed() -> tuple[Any, float]:
            begun = scoring_clock()
            return compute(), scoring_clock() - begun

        begun = scoring_clock()
        value, seconds = self.cache(key, timed)
        waited = scoring_clock() - begun
        count_reused(seconds - waited)
        return value
