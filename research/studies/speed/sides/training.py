"""Our training workloads: the steps of a sweep."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.evaluation.batch import Rows
from research.methods.method import Leaves
from research.methods.shared.leaves import mask, split
from research.models.layers import flash_attention
from research.studies.speed.sides.our_inputs import DEVICES, CaseInputs, batch_of, chosen_rows
from research.studies.speed.sides.profile import profiled
from research.tasks.encoding.encoded import Encoded
from research.training.batches import batch_indices
from research.training.cohort import Cohort, OneByOne, Together
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state


class Training:
    """A step is one AdamW step with gradient clipping on the next batch.

    Attributes:
        runs: Number of runs, all with the same initial state, that a step advances.
        kind: Class of the cohort.
    """

    runs, kind = 1, OneByOne

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        inputs = CaseInputs(folder, dtype)
        methods, added = inputs.trained()
        self.hyper = Hyper(methods, np.float32(learning_rate), np.float32(0.0))
        self.frame = inputs.frame()
        self.parts = self._parts(inputs)
        self.done = 0
        self.cohort: Any = self._start(inputs, {**inputs.backbone.params, **added})

    def _start(self, inputs: CaseInputs, leaves: Leaves) -> Cohort:
        """The cohort with its initial states."""
        program = self._program(inputs)
        trained, frozen = split(leaves, mask(self.hyper.methods, leaves))
        state = init_state(program, jax.random.PRNGKey(0), trained)
        return self.kind(program, DEVICES, [state] * self.runs, [frozen] * self.runs)

    def _program(self, inputs: CaseInputs, **settings: Any) -> Program:
        rows_a_step = inputs.batches.tokens.shape[1]
        schedule = Schedule(batch_size=rows_a_step, warmup=0.0, decay="constant", **settings)
        return Program(inputs.backbone.model, schedule, inputs.dtype)

    def _parts(self, inputs: CaseInputs) -> list[Rows]:
        causal = inputs.backbone.model.ROUTE == "causal"
        suffix = None if causal else len(self.frame.suffix_ids)
        return [batch_of(encoded, suffix) for encoded in self._encoded(inputs)]

    def step(self) -> float:
        """The mean loss over target tokens."""
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        members = ([argument] * self.runs for argument in (part, self.frame, self.hyper, True))
        return float(self.cohort.advance(*members).mean())

    def _encoded(self, inputs: CaseInputs) -> list[Encoded]:
        return [inputs.encoded(i) for i in range(len(inputs.batches.tokens))]

    def compile(self) -> None:
        """Compiles the step of the first batch without running it."""
        self.cohort.compiled(self.parts[0], self.frame, self.hyper)

    def profile(self) -> dict[str, float]:
        """See `profiled`; all steps use the first batch."""
        program = self.cohort.compiled(self.parts[0], self.frame, self.hyper).as_text()
        del self.parts[1:]
        return profiled(self.step, program)

    def flops(self) -> float | None:
        """FLOPs of a step by XLA's count, averaged over batches; None where XLA counts none."""
        costs = [self.cohort.cost(part, self.frame, self.hyper)["flops"] for part in self.parts]
        counted = [flops for flops in costs if flops is not None]
        return self.runs * float(np.mean(counted)) if counted else None


class TrainingTogether(Training):
    """A step advances each of 16 vmapped runs."""

    runs, kind = 16, Together


class TrainingManyTogether(TrainingTogether):
    """A step advances each of 64 vmapped runs."""

    runs = 64


class TrainingUnfused(Training):
    """Attention without the fused kernel of a GPU."""

    def __init__(self, *settings: Any):
        flash_attention.MIN_CAPABILITY = float("inf")
        super().__init__(*settings)


class TrainingByScan(Training):
    """Equal layers run as one scan."""

    def _program(self, inputs: CaseInputs, **settings: Any) -> Program:
        program = super()._program(inputs, **settings)
        return replace(program, model=program.model.with_layers("scan"))


class TrainingByLength(Training):
    """Batches rows of similar length together, as a sweep does (see `batch_indices`)."""

    def _encoded(self, inputs: CaseInputs) -> list[Encoded]:
        everything = inputs.everything()
        rows_a_step, count = inputs.batches.tokens.shape[1], len(inputs.batches.tokens)
        return [
            chosen_rows(everything, batch_indices(everything.length, rows_a_step, 0, step))
            for step in range(count)
        ]
