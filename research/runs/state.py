"""The state of a run: its data, its current leaves and the outcomes of its stages."""

from functools import partial

import jax
import numpy as np

from research.common.errors import InputError
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.scoring import route_of
from research.experiments.plan import Run
from research.experiments.prompt import Prompt
from research.experiments.stage import Stage
from research.methods.head import Head
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import add, mask, stored_frozen, without_head
from research.methods.shared.merging import merged
from research.runs.context import RunContext
from research.runs.data import RunData, room, run_data
from research.runs.trained_leaves import FinalLeaves
from research.tasks.encoding.special_tokens import Route
from research.training.member import Member, Outcome
from research.training.optimizer import rate_factors
from research.training.step import Hyper


class RunState:
    """One run at work: its data, the leaves it has reached and the outcomes of its stages."""

    def __init__(self, run: Run, context: RunContext):
        self.run, self.context, self.approach = run, context, run.approach
        self.leaves: Leaves = dict(context.backbone.params)
        self._check_head()
        methods = self.methods()
        self.taken = sum(method.positions for method in methods)
        self.room = room(context.backbone.context, self.taken, run.cell.experiment.max_tokens)
        self.route: Route = self._route(methods)
        self.approach.check_labels(run.cell.task.labels)
        self.prompts = [
            self._encoded(self.route, prompt=prompt)
            for prompt in self.approach.members(len(run.cell.task.templates))
        ]
        self.data = self.prompts[0]
        self.outcomes: list[Outcome] = []
        self.begun: Leaves = {}  # what methods added, as they added it
        self.changed: Leaves = {}  # with which the backbone's leaves are the run's

    @classmethod
    def trained(cls, run: Run, context: RunContext) -> "RunState":
        """The state of a run that has finished, with its trained leaves from disk."""
        state = cls(run, context)
        if run.approach.stages:
            final = context.trained_leaves.read(run.id, context.backbone.params)
            state.leaves, state.changed = final
        return state

    def store(self) -> None:
        """Writes the leaves of a run that has finished to disk, if it trained any."""
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
        """See `run_data`; the same for all runs that differ in what trains."""
        run, asked = self.run, (prompt or self.approach).prompt
        own = None if stage is None else (stage.task, stage.regime, stage.template)
        key = (
            run.cell.task.name,
            str(run.cell.regime),
            run.seeds.sample,
            run.seeds.order if (prompt or self.approach).drawn else None,
            asked,
            own,
            self.room,
            route,
        )
        where = (self.context.tokenizer, self.room, route)
        return self.context.caches.data(key, lambda: run_data(run, *where, stage, prompt))

    def member(self, index: int, data: RunData) -> Member:
        """The run as a member of its cohort in stage `index`, which trains on `data`."""
        stage = self.approach.stages[index]
        self._start(index, data)
        rate, decay = np.float32(stage.learning_rate), np.float32(stage.weight_decay)
        return Member(
            seed=self.run.seeds.order,
            hyper=Hyper(self.training(index), rate, decay),
            leaves=self.leaves,
            train=data.train,
            dev=data.dev,
            frame=data.frame,
            training=len(stage.methods),
        )

    def _start(self, index: int, data: RunData, drawn: bool = True) -> None:
        """Brings the leaves to where stage `index` starts. drawn: whether what methods add is so,
        or told by its shapes alone, for which nothing is compiled.
        """
        stages, add = self.approach.stages, partial(self._added, index, data)
        if stages[index].lends_head or (index and stages[index - 1].lends_head):
            self.leaves = without_head(self.leaves)
        added = add() if drawn else jax.eval_shape(add)
        self.leaves, self.begun = {**self.leaves, **added}, {**self.begun, **added}

    def _added(self, index: int, data: RunData) -> Leaves:
        """The leaves that the methods of stage `index` add, if they are new."""
        key, found = jax.random.PRNGKey(self.run.seeds.initialisation), {}
        for method in self.approach.stages[index].methods:
            if not any(path.startswith(f"{method.name}:") for path in self.leaves):
                found |= add(method, key, self.leaves, data.words)
        return found

    def check(self, index: int) -> None:
        """Raises InputError for what would stop stage `index`, without training it."""
        stage = self.approach.stages[index]
        self._start(index, self.stage_data(index), drawn=False)
        trains = mask(stage.methods, self.leaves)
        rate_factors(stage.schedule, stage.methods, [path for path in self.leaves if trains[path]])
        if stage.merge:
            jax.eval_shape(partial(merged, self.training(index)), self.leaves)

    def keep(self, outcome: Outcome) -> None:
        """Continues with the trained leaves of the next stage."""
        index, stage = len(self.outcomes), self.approach.stages[len(self.outcomes)]
        # A head that was lent ends with its stage.
        stays = without_head(outcome.trained) if stage.lends_head else outcome.trained
        frozen = stored_frozen(stage.methods, self.leaves, mask(stage.methods, self.leaves))
        self.leaves, self.changed = {**self.leaves, **stays}, {**self.changed, **frozen, **stays}
        if stage.merge:
            whole = merged(self.training(index), self.leaves)
            folded = {p: leaf for p, leaf in whole.items() if leaf is not self.leaves.get(p)}
            kept = {p: leaf for p, leaf in self.changed.items() if p in whole}
            self.leaves, self.changed = whole, {**kept, **folded}
        self.outcomes.append(outcome)

    @property
    def histories(self) -> tuple[list[list[float]], ...]:
        """The evaluations of the finished stages, see `MemberProgress`."""
        return tuple(outcome.progress.history for outcome in self.outcomes)

    def _check_head(self) -> None:
        """Raises InputError for a head that the backbone came with and that does not fit."""
        bias, task = self.leaves.get("head:/bias"), self.run.cell.task
        asked = answer_kind(task).head_outputs
        if bias is not None and asked and len(bias) != asked:
            allowed = f"its head has {len(bias)} outputs, the task asks for {asked}"
            raise InputError("backbone", self.context.backbone.name, allowed)

    def _route(self, methods: tuple[Method, ...]) -> Route:
        return route_of(self.context.backbone.model, methods)

    def methods(self, stages: int | None = None) -> tuple[Method, ...]:
        """What is at work after the first stages, or all; a head that the backbone came with goes
        first. Traced fields are float32.
        """
        return self._with_own_head(self.approach.at_work(stages))

    def training(self, index: int) -> tuple[Method, ...]:
        """What is at work while stage `index` trains; its own methods go last."""
        before = self.approach.at_work(index)
        return self._with_own_head(self.approach.in_training(index, before))

    def _with_own_head(self, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        own = any(path.startswith("head:") for path in self.context.backbone.params)
        if own and not any(method.is_head for method in methods):
            methods = (Head(), *methods)
        return tuple(jax.tree.map(np.float32, method) for method in methods)
