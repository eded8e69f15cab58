"""Our training workloads: the steps of a sweep."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np

from research.evaluation.answer_kinds.labels import LabelAnswerer
from research.evaluation.batch import EncodedPrompts, Rows, extents
from research.evaluation.trunk.store import StateStore
from research.evaluation.trunk.trunk import Trunk
from research.methods.method import Leaves
from research.methods.shared.leaves import mask, split
from research.models.layers import flash_attention
from research.studies.speed.our_inputs import DEVICES, CaseInputs, batch_of, chosen_rows
from research.studies.speed.profile import profiled
from research.tasks.encoding.encoded import Encoded, Labels, LabelTexts
from research.training.batches import Shapes, Stream, batch_indices
from research.training.cohort import Cohort, OneByOne, Together
from research.training.loop import TrainingLoop
from research.training.member import Member, batch_like
from research.training.optimizer import Schedule
from research.training.options import FitOptions
from research.training.step import Hyper, Program, init_state

ENDLESS = 10**9  # steps, none of which is followed by an evaluation


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


class TrainingInLoop(Training):
    """A step of the training loop of a run, with the states of the frozen trunk where it is kept.

    The first epoch has the case's batches; later epochs mix the rows anew, as in a run. The states
    are computed before the first step.
    """

    def step(self) -> float:
        self.loop.advance()
        return float(self.loop.losses[-1][0])

    def compile(self) -> None:
        self.cohort.compiled(*self._arguments())

    def profile(self) -> dict[str, float]:
        return profiled(self.step, self.cohort.compiled(*self._arguments()).as_text())

    def flops(self) -> float | None:
        """FLOPs of a step by XLA's count; None where it counts none."""
        return self.cohort.cost(*self._arguments())["flops"]

    def _arguments(self) -> tuple[Any, ...]:
        """Arguments of a step."""
        loop, member = self.loop, self.loop.members[0]
        batch = batch_like(loop.program, member, loop.shapes.longest, loop.shapes)
        return batch, member.frame, member.hyper

    def _start(self, inputs: CaseInputs, leaves: Leaves) -> Cohort:
        program = self._program(inputs, steps=ENDLESS, eval_every=ENDLESS)
        rows = self._rows(inputs)
        target = np.zeros((1, max(1, rows.longest_target)), np.int32)
        kept = self._trunk(inputs).of_targets(
            self.hyper.methods,
            leaves,
            EncodedPrompts(rows, self.frame),
            target.size,
            training=True,
        )
        member = Member(
            seed=0,
            hyper=self.hyper,
            leaves=leaves,
            train=rows,
            dev=rows,
            frame=self.frame if kept is None else kept.frame,
            training=len(self.hyper.methods),
            states=None if kept is None else kept.rows,
        )
        labels = Labels(target, np.array([target.size]))
        texts = LabelTexts(labels, np.zeros(1, int), np.ones(1, int))
        streams = [Stream(0, rows.length, extents(rows, self.frame))]
        options = FitOptions(
            DEVICES, LabelAnswerer(texts), "accuracy", shapes=Shapes(target.size, streams)
        )
        self.loop = TrainingLoop(program, [member], options)
        return self.loop.cohort

    def _trunk(self, inputs: CaseInputs) -> Trunk:
        """The trunk of a run, with states in memory alone."""
        backbone = inputs.backbone
        store = StateStore(None, int(DEVICES.trunk_gib * 2**30))
        model, checksum = backbone.model, backbone.checksum
        return Trunk(model, inputs.dtype, DEVICES, backbone.params, checksum, store)

    def _rows(self, inputs: CaseInputs) -> Encoded:
        """The rows of all batches, so ordered that the first epoch has the case's batches."""
        everything = inputs.everything()
        count, size = inputs.batches.tokens.shape[:2]
        chosen = [batch_indices(everything.length, size, 0, step) for step in range(count)]
        return chosen_rows(everything, np.argsort(np.concatenate(chosen)))
