"""Our side of cases that train: the steps of a sweep, and nothing beside them."""

from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.methods.full import Full
from research.methods.method import mask, split
from research.models.layers import flash_attention
from research.studies.speed.our_inputs import DEVICES, CaseInputs, batch_of, chosen_rows
from research.studies.speed.profile import profiled
from research.tasks.encoding.encoded import Encoded
from research.training.batches import batch_indices
from research.training.cohort import OneByOne, Together
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state


class Training:
    """A step is one optimizer step on the next batch: AdamW, and the gradient clipped.

    Of `runs` runs that begin alike, where those of a cohort advance together.
    """

    runs, kind = 1, OneByOne

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        given = CaseInputs(folder, dtype)
        methods, added = given.adapter(0) if given.folders else ((Full(),), {})
        leaves = {**given.backbone.params, **added}
        trained, frozen = split(leaves, mask(methods, leaves))
        rows_a_step = given.batches.tokens.shape[1]
        schedule = Schedule(batch_size=rows_a_step, warmup=0.0, decay="constant")
        program = Program(given.backbone.model, schedule, given.dtype)
        state = init_state(program, jax.random.PRNGKey(0), trained)
        self.cohort = self.kind(program, DEVICES, [state] * self.runs, [frozen] * self.runs)
        self.hyper = Hyper(methods, np.float32(learning_rate), np.float32(0.0))
        self.frame = given.frame()
        causal = given.backbone.model.ROUTE == "causal"
        closing = None if causal else len(self.frame.suffix_ids)
        self.parts = [batch_of(encoded, closing) for encoded in self._encoded(given)]
        self.done = 0

    def step(self) -> float:
        """The loss, a mean over target tokens."""
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        members = ([one] * self.runs for one in (part, self.frame, self.hyper, True))
        return float(self.cohort.advance(*members).mean())

    def _encoded(self, given: CaseInputs) -> list[Encoded]:
        return [given.encoded(i) for i in range(len(given.batches.tokens))]

    def profile(self) -> dict[str, float]:
        """See `profiled`; of steps on the first batch."""
        program = self.cohort.compiled(self.parts[0], self.frame, self.hyper).as_text()
        del self.parts[1:]
        return profiled(self.step, program)

    def flops(self) -> float | None:
        """Of a step, as XLA counts them, on average over the batches; None where it does not."""
        costs = [self.cohort.cost(part, self.frame, self.hyper)["flops"] for part in self.parts]
        known = [flops for flops in costs if flops is not None]
        return self.runs * float(np.mean(known)) if known else None


class TrainingTogether(Training):
    """A step is one of each of 16 runs, vmapped."""

    runs, kind = 16, Together


class TrainingManyTogether(TrainingTogether):
    """Of 64 runs."""

    runs = 64


class TrainingUnfused(Training):
    """Attention without the fused kernel of a GPU."""

    def __init__(self, *settings: Any):
        flash_attention.OLDEST = float("inf")
        super().__init__(*settings)


class TrainingByLength(Training):
    """As a sweep batches the same rows: those of like length together, see `batch_indices`."""

    def _encoded(self, given: CaseInputs) -> list[Encoded]:
        everything = given.everything()
        rows_a_step, count = given.batches.tokens.shape[1], len(given.batches.tokens)
        return [
            chosen_rows(everything, batch_indices(everything.length, rows_a_step, 0, step))
            for step in range(count)
        ]
