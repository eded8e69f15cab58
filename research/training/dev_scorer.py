"""Scores members on dev while they train."""

import jax
import numpy as np
from jax.sharding import SingleDeviceSharding

from research.evaluation.answer_kinds.kind import Answers
from research.evaluation.batch import EncodedPrompts
from research.evaluation.cached_predictor import CachedPredictor
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.result_cache import ResultCache
from research.methods.method import Leaves
from research.training.member import Member
from research.training.options import FitOptions
from research.training.step import Program


class DevScorer:
    """Scores members on dev."""

    def __init__(self, program: Program, options: FitOptions):
        self.program, self.options = program, options

    def off_mesh(self, trained: Leaves) -> Leaves:
        """The trained leaves off the training mesh: the scorer gets the same kind of array always.

        A single device has them already, until the next step reuses their memory.
        """
        if self.options.devices.mesh().size > 1:
            return jax.device_put(jax.tree.map(np.array, trained))
        device = SingleDeviceSharding(jax.devices()[0])
        return jax.device_put(trained, device, may_alias=True)

    def answers(self, member: Member, leaves: Leaves, results: ResultCache) -> Answers:
        """The answers of a member with these leaves to its dev examples.

        results: those of the leaves, to which these are added.
        """
        predictor = CachedPredictor(
            self.program.model,
            self.options.devices,
            self.program.dtype,
            results,
            trunk=self.options.trunk,
            shapes=self.options.scoring_shapes,
            report=self.options.report_scoring,
        )
        weights = AdaptedWeights(member.hyper.methods, leaves)
        prompts = EncodedPrompts(member.dev, member.frame)
        return self.options.answerer.training_answers(predictor, weights, prompts)
