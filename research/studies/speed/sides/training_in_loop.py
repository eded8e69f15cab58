"""Our training workload in the training loop of a run."""

from typing import Any

import numpy as np

from research.evaluation.answer_kinds.label_answerer import LabelAnswerer
from research.evaluation.batch import EncodedPrompts, extents
from research.evaluation.trunk.store import StateStore
from research.evaluation.trunk.trunk import Trunk
from research.methods.method import Leaves
from research.studies.speed.sides.our_inputs import DEVICES, CaseInputs, chosen_rows
from research.studies.speed.sides.profile import profiled
from research.studies.speed.sides.training import Training
from research.tasks.encoding.encoded import Encoded, Labels, LabelTexts
from research.training.batches import Shapes, Stream, batch_indices
from research.training.cohort import Cohort
from research.training.loop import TrainingLoop
from research.training.member import Member, batch_like
from research.training.options import FitOptions

ENDLESS = 10**9  # steps, none of which is followed by an evaluation


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
        states = self._trunk(inputs).of_targets(
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
            frame=self.frame if states is None else states.frame,
            training=len(self.hyper.methods),
            states=None if states is None else states.rows,
        )
        labels = Labels(target, np.array([target.size]))
        texts = LabelTexts(labels, np.zeros(1, int), np.ones(1, int), np.ones(1, int))
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
