"""Scores members on dev while they train."""

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from research.evaluation.answer_kinds.kind import Answers
from research.evaluation.batch import EncodedPrompts
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.methods.method import Leaves
from research.training.member import Member
from research.training.options import FitOptions
from research.training.step import Program


class DevScorer:
    """Scores members on dev; one predictor, so that all share its programs."""

    def __init__(self, program: Program, options: FitOptions):
        self.options = options
        self.predictor = Predictor(
            program.model,
            options.devices,
            program.dtype,
            trunk=options.trunk,
            widths=options.scoring_widths,
            report=options.report_scoring,
        )

    def off_mesh(self, trained: Leaves) -> Leaves:
        """The trained leaves off the training mesh: the scorer gets the same kind of array always.

        A single device has them already, until the next step reuses their memory.
        """
        if self.options.devices.mesh().size > 1:
            return jax.device_put(jax.tree.map(np.array, trained))
        device = SingleDeviceSharding(jax.devices()[0])
        return jax.device_put(trained, device, may_alias=True)

    def answers(self, member: Member, leaves: Leaves) -> Answers:
        """The answers of a member with these leaves to its dev examples."""
        weights = AdaptedWeights(member.hyper.methods, leaves)
        prompts = EncodedPrompts(member.dev, member.frame)
        return self.options.answerer.training_answers(self.predictor, weights, prompts)
