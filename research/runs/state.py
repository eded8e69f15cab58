"""The state of a run: its data, its current leaves and the outcomes of its stages."""

import jax
import numpy as np

from research.common.errors import InputError
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.result_cache import ResultCache
from research.evaluation.scoring import route_of
from research.experiments.plan import Run
from research.experiments.prompt import Prompt
from research.experiments.stage import Stage
from research.experiments.stage_sequence import methods_after, methods_during
from research.methods.head import with_backbone_head
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import mask, stored_frozen, without_head
from research.methods.shared.merging import merged
from research.runs.context import RunContext
from research.runs.data import RunData
from research.runs.encode_data import run_data
from research.runs.room import room
from research.runs.trained_leaves import FinalLeaves
from research.runtime.clock import spent_on
from research.tasks.encoding.special_tokens import Route
from research.training.member import Outcome


class RunState:
    """The state of one run: its data, its current leaves and the outcomes of its stages.

    Attributes:
        run: the run.
        context: the resources of the experiment.
        approach: the run's approach.
        leaves: the current leaves of the backbone and of all methods.
        method_positions: positions that the methods add to a row.
        room: positions that are left for a row.
        route: how the task's targets are predicted.
        prompts: the encoded data of each prompt of the ensemble, mostly one.
        data: that of the first prompt.
        outcomes: of the finished stages.
        initial: the methods' leaves before training.
        changed: the leaves that differ from the backbone's, or that it lacks.
        results: results of predictors with the current leaves.
    """

    def __init__(self, run: Run, context: RunContext):
        self.run, self.context, self.approach = run, context, run.approach
        self.leaves: Leaves = dict(context.backbone.params)
        self._check_head()
        methods = self.methods()
        self.method_positions = sum(method.positions for method in methods)
        most = run.cell.experiment.max_tokens
        self.room = room(context.backbone.context, self.method_positions, most)
        self.route: Route = self._route(methods)
        self.approach.check_scores(run.cell.task)
        self.prompts = [
            self._encoded(self.route, prompt=prompt)
            for prompt in self.approach.members(len(run.cell.task.templates))
        ]
        self.data = self.prompts[0]
        self.outcomes: list[Outcome] = []
        self.initial: Leaves = {}
        self.changed: Leaves = {}
        self.results = ResultCache()

    @classmethod
    @spent_on("loading")
    def trained(cls, run: Run, context: RunContext) -> "RunState":
        """The state of a finished run, with its trained leaves from disk."""
        state = cls(run, context)
        if run.approach.stages:
            final = context.trained_leaves.read(run.id, context.backbone.params)
            state.leaves, state.changed = final
        return state

    @spent_on("storing")
    def store(self) -> None:
        """Writes the leaves of a finished run to disk, if it trained any."""
        if self.approach.stages:
            final = FinalLeaves(leaves=self.leaves, changed=self.changed)
            self.context.trained_leaves.write(self.run.id, final, self.context.backbone.params)

    def stage_data(self, index: int) -> RunData:
        """The training data of stage `index`, encoded for its route."""
        stage, route = self.approach.stages[index], self._route(self.training(index))
        if (stage.task, stage.regime, stage.template, route) == (None, None, None, self.route):
            return self.data
        return self._encoded(route, stage=stage)

    def _encoded(
        self, route: Route, stage: Stage | None = None, prompt: Prompt | None = None
    ) -> RunData:
        """The data of `run_data`, cached for runs that differ only in training."""
        run, used_prompt = self.run, prompt or self.approach
        key = (
            run.cell.task.name,
            str(run.cell.regime),
            run.seeds.sample,
            run.seeds.order,  # of demonstrations and of sampled texts
            used_prompt.prompt,
            None if stage is None else (stage.task, stage.regime, stage.template),
            self.room,
            route,
        )
        ends = self.context.backbone.ends
        arguments = (self.context.tokenizer, self.room, route, stage, prompt, ends)
        return self.context.caches.data(key, lambda: run_data(run, *arguments))

    def add_leaves(self, added: Leaves) -> None:
        """Adds the leaves with which a stage starts."""
        self.leaves, self.initial = {**self.leaves, **added}, {**self.initial, **added}

    def finish_stage(self, outcome: Outcome) -> None:
        """Replaces the leaves by those that the next stage has trained, merged if it says so."""
        index, stage = len(self.outcomes), self.approach.stages[len(self.outcomes)]
        # A lent head ends with its stage.
        trained = without_head(outcome.trained) if stage.lends_head else outcome.trained
        frozen = stored_frozen(stage.methods, self.leaves, mask(stage.methods, self.leaves))
        self.leaves = {**self.leaves, **trained}
        self.results = ResultCache() if stage.merge or stage.lends_head else outcome.results
        self.changed = {**self.changed, **frozen, **trained}
        if stage.merge:
            whole = merged(self.training(index), self.leaves)
            by_merge = {p: leaf for p, leaf in whole.items() if leaf is not self.leaves.get(p)}
            unmerged = {p: leaf for p, leaf in self.changed.items() if p in whole}
            self.leaves, self.changed = whole, {**unmerged, **by_merge}
        self.outcomes.append(outcome)

    @property
    def histories(self) -> tuple[list[list[float]], ...]:
        """The evaluations of the finished stages, see `MemberProgress`."""
        return tuple(outcome.progress.history for outcome in self.outcomes)

    def _check_head(self) -> None:
        """Raises InputError if the backbone's classification head does not fit the task."""
        bias, task = self.leaves.get("head:/bias"), self.run.cell.task
        outputs = answer_kind(task).head_outputs
        if bias is not None and outputs and len(bias) != outputs:
            allowed = f"its head has {len(bias)} outputs, the task asks for {outputs}"
            raise InputError("backbone", self.context.backbone.name, allowed)

    def _route(self, methods: tuple[Method, ...]) -> Route:
        return route_of(self.context.backbone.model, methods)

    def methods(self, stages: int | None = None) -> tuple[Method, ...]:
        """The methods at work after the first `stages` stages, or after all.

        The backbone's own head, if any, is first. Traced fields are float32.
        """
        return self._with_backbone_head(methods_after(self.approach.stages[:stages]))

    def training(self, index: int) -> tuple[Method, ...]:
        """The methods at work while stage `index` trains; those of the stage are last."""
        before = methods_after(self.approach.stages[:index])
        return self._with_backbone_head(methods_during(self.approach.stages[index], before))

    def _with_backbone_head(self, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        methods = with_backbone_head(methods, self.context.backbone.params)
        return tuple(jax.tree.map(np.float32, method) for method in methods)
