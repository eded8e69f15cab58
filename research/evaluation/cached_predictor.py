"""A predictor that computes each result of the unadapted backbone once."""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from research.evaluation.batch import EncodedPrompts
from research.evaluation.decoding.automaton import TokenAutomaton
from research.evaluation.decoding.generated import Generated
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.runtime.executable import count_reused, scoring_clock
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Labels


@dataclass(frozen=True)
class CachedPredictor(Predictor):
    """Results for the unadapted backbone, which many seeds, regimes and approaches share.

    The weights have to be those of the unadapted backbone: they are no part of a result's key.

    Attributes:
        cache: returns the result of a key, which it computes by its second argument the first
            time; a key is a hash of the arguments.
    """

    cache: Callable[[bytes, Callable[[], Any]], Any] = field(compare=False)

    def scores(
        self,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        labels: Labels,
        batch_size: int = 32,
    ) -> np.ndarray:
        def compute() -> np.ndarray:
            return super(CachedPredictor, self).scores(weights, prompts, labels, batch_size)

        return self._cached(compute, "scores", weights, prompts, [x.tolist() for x in labels])

    def loss(self, weights: AdaptedWeights, prompts: EncodedPrompts, batch_size: int = 8) -> float:
        def compute() -> float:
            return super(CachedPredictor, self).loss(weights, prompts, batch_size)

        return self._cached(compute, "loss", weights, prompts, prompts.rows.length.tolist())

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
        settings = (decoding, tuple(ends), pad, seed, table)
        return self._cached(compute, "generate", weights, prompts, settings)

    def _cached(
        self,
        compute: Callable[[], Any],
        name: str,
        weights: AdaptedWeights,
        prompts: EncodedPrompts,
        settings: Any,
    ) -> Any:
        arrays = (prompts.rows.tokens, prompts.rows.prompt_length, *prompts.frame)
        content = [np.asarray(array).tobytes() for array in arrays]
        content.append(repr((name, weights.methods, settings)).encode())
        key = hashlib.sha256(b" ".join(content)).digest()

        def timed() -> tuple[Any, float]:
            begun = scoring_clock()
            return compute(), scoring_clock() - begun

        begun = scoring_clock()
        value, seconds = self.cache(key, timed)
        waited = scoring_clock() - begun
        count_reused(seconds - waited)
        return value
