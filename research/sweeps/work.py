"""One run at work: its data, the leaves it has reached and what its stages gave."""

from collections.abc import Callable
from functools import cached_property, partial
from typing import Any

import jax
import numpy as np

from research.errors import InputError
from research.evaluation.answering import Answers
from research.evaluation.scoring import route_of
from research.executable import Call
from research.methods.head import Head
from research.methods.merging import merged
from research.methods.method import Leaves, Method, add, mask, without_head
from research.sweeps.ability import ability
from research.sweeps.bench import Bench
from research.sweeps.costs import costs, stored
from research.sweeps.data import RunData, room, run_data
from research.sweeps.formula import formula_flops, request
from research.sweeps.learning import constant, described, not_learned
from research.sweeps.plan import Run
from research.sweeps.prompt import Prompt
from research.sweeps.reading import Reading
from research.sweeps.result import Afterwards, Result, predictions
from research.sweeps.stage import Stage
from research.sweeps.switching import switch_seconds
from research.tasks.encoded import Encoded
from research.tasks.form import Route
from research.tasks.number_task import NumberTask
from research.training.loop import Member, Outcome
from research.training.optimizer import factors
from research.training.step import Hyper


class Work:
    """One run at work: its data, the leaves it has reached and the outcomes of its stages."""

    def __init__(self, run: Run, bench: Bench):
        self.run, self.bench, self.approach = run, bench, run.approach
        self.leaves: Leaves = dict(bench.backbone.params)
        self._check_head()
        methods = self._methods()
        self.taken = sum(method.positions for method in methods)
        self.room = room(bench.backbone.context, self.taken, run.cell.experiment.max_tokens)
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

    def stage_data(self, index: int) -> RunData:
        """What stage `index` trains on, by the route that it has."""
        stage, route = self.approach.stages[index], self._route(self._training(index))
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
        where = (self.bench.tokenizer, self.room, route)
        return self.bench.data(key, lambda: run_data(run, *where, stage, prompt))

    def member(self, index: int, data: RunData) -> Member:
        """The run as a member of its cohort in stage `index`, which trains on `data`."""
        stage = self.approach.stages[index]
        self._start(index, data)
        hyper = Hyper(
            self._training(index),
            np.float32(stage.learning_rate),
            np.float32(stage.weight_decay),
        )
        training = len(stage.methods)
        return Member(
            self.run.seeds.order, hyper, self.leaves, data.train, data.dev, data.frame, training
        )

    def _start(self, index: int, data: RunData, add: Callable[..., Leaves] = add) -> None:
        """Brings the leaves to where stage `index` starts. add: see `method.add`."""
        stages, key = self.approach.stages, jax.random.PRNGKey(self.run.seeds.initialisation)
        if stages[index].lends_head or (index and stages[index - 1].lends_head):
            self.leaves = without_head(self.leaves)
        for method in stages[index].methods:
            if not any(path.startswith(f"{method.name}:") for path in self.leaves):
                added = add(method, key, self.leaves, data.words)
                self.leaves, self.begun = {**self.leaves, **added}, {**self.begun, **added}

    def check(self, index: int) -> None:
        """Raises InputError for what would stop stage `index`, without training it."""
        stage = self.approach.stages[index]
        self._start(index, self.stage_data(index), _shapes)
        leaves = self.leaves
        trains = mask(stage.methods, leaves)
        factors(stage.schedule, stage.methods, [path for path in leaves if trains[path]])
        if stage.merge:
            jax.eval_shape(partial(merged, self._training(index)), leaves)

    def keep(self, outcome: Outcome) -> None:
        """Continues from what the next stage has trained."""
        index, stage = len(self.outcomes), self.approach.stages[len(self.outcomes)]
        # A head that was lent ends with its stage.
        stays = without_head(outcome.trained) if stage.lends_head else outcome.trained
        self.leaves, self.changed = {**self.leaves, **stays}, {**self.changed, **stays}
        if stage.merge:
            whole = merged(self._training(index), self.leaves)
            folded = {p: leaf for p, leaf in whole.items() if leaf is not self.leaves.get(p)}
            kept = {p: leaf for p, leaf in self.changed.items() if p in whole}
            self.leaves, self.changed = whole, {**kept, **folded}
        self.outcomes.append(outcome)

    @property
    def histories(self) -> tuple[list[list[float]], ...]:
        """Of the stages that are done, see `Progress`."""
        return tuple(outcome.progress.history for outcome in self.outcomes)

    def calls(self) -> list[Call]:
        """Those of programs by which the run is scored, one of each shape."""
        asis = self.route != "head" and self.approach.stages
        splits = ("dev", "train", *self.run.cell.task.tests)
        found = [call for at in splits for call in self.reading().calls(self._rows(at))]
        return found + (self.reading(trained=False).calls(self._rows("dev")) if asis else [])

    def result(self) -> Result:
        task, data = self.run.cell.task, self.data
        dev = self._score("dev").metrics
        diverged = any(outcome.progress.status == "diverged" for outcome in self.outcomes)
        return Result(
            status="diverged" if diverged else "finished",
            n_train=len(data.split.train),
            metrics={"train": self._score("train").metrics, "dev": dev},
            costs=self._costs(),
            notes={
                "demonstrations": data.demonstrations,
                "cut": max(prompt.cut for prompt in self.prompts),
                "dropped": data.split.dropped,
                "n_dev": len(data.split.dev),
                "steps": [outcome.progress.steps for outcome in self.outcomes],
                "best_step": [outcome.progress.best_step for outcome in self.outcomes],
                **self._learned(dev),
            },
            data={"task_checksum": task.checksum, "split_checksum": data.split.checksum},
            test=lambda split: predictions(task, split, self._score(split)),
            afterwards=self._afterwards,
            backbone={"name": self.bench.backbone.name, "checksum": self.bench.backbone.checksum},
            history=self.histories,
            trained=self.changed,
        )

    def _costs(self) -> dict[str, Any]:
        model, outcomes, stages = self.bench.backbone.model, self.outcomes, self.approach.stages
        schedules, methods = [stage.schedule for stage in stages], self._methods()
        formula = None
        if outcomes:
            last, methods_then = len(stages) - 1, self._training(len(stages) - 1)
            frame, step = self.stage_data(last).frame, outcomes[-1]
            formula = formula_flops(step, schedules[-1], self.leaves, methods_then, frame, model)
        return {
            **costs(outcomes, schedules, self.changed, methods, self._added_tokens()),
            "formula_flops": formula,
            **request(model, self.prompts, self.taken, np.dtype(self.bench.dtype).itemsize),
        }

    def _afterwards(self) -> Afterwards:
        methods, task, room = self._methods(), self.run.cell.task, self.room
        switching = switch_seconds(stored(self.changed, methods), self.bench.devices)
        cut = {split: rows[0].cut for split, rows in self._beside_test.items()}
        able = ability(self.bench, self.route, methods, self.leaves, self.changed, room, task)
        return Afterwards({"switch_seconds": switching}, {"cut_beside_test": cut}, able)

    def _learned(self, dev: dict[str, float]) -> dict[str, Any]:
        """Notes on what training came to, of approaches that train; `dev`: what they score."""
        if not self.approach.stages:
            return {}
        metric, others = self.run.cell.task.metric, constant(self.run.cell.task, self.data)
        if self.route != "head":
            others["the backbone as it came"] = self._score("dev", trained=False).metrics[metric]
        notes: dict[str, Any] = {"not_learned": not_learned(metric, dev[metric], others)}
        return notes | described(self._methods(), self.leaves, self.bench.tokenizer)

    def _check_head(self) -> None:
        """Raises InputError for a head that the backbone came with and that does not fit."""
        bias, task = self.leaves.get("head:/bias"), self.run.cell.task
        asked = 1 if isinstance(task, NumberTask) else len(task.labels)
        if bias is not None and asked and len(bias) != asked:
            allowed = f"its head has {len(bias)} outputs, the task asks for {asked}"
            raise InputError("backbone", self.bench.backbone.name, allowed)

    def _route(self, methods: tuple[Method, ...]) -> Route:
        return route_of(self.bench.backbone.model, methods)

    def _methods(self, stages: int | None = None) -> tuple[Method, ...]:
        """What is at work after the first stages, or all; a head that the backbone came with goes
        first. Traced fields are float32.
        """
        return self._with_own_head(self.approach.at_work(stages))

    def _training(self, index: int) -> tuple[Method, ...]:
        """What is at work while stage `index` trains; its own methods go last."""
        before = self.approach.at_work(index)
        return self._with_own_head(self.approach.in_training(index, before))

    def _with_own_head(self, methods: tuple[Method, ...]) -> tuple[Method, ...]:
        own = any(path.startswith("head:") for path in self.bench.backbone.params)
        if own and not any(method.is_head for method in methods):
            methods = (Head(), *methods)
        return tuple(jax.tree.map(np.float32, method) for method in methods)

    def _added_tokens(self) -> int:
        """Tokens that the approach adds to an input; an ensemble reads the input again as well."""
        again = sum(round(float(prompt.test.start.mean())) for prompt in self.prompts[1:])
        return sum(prompt.added for prompt in self.prompts) + self.taken + again

    def _score(self, split: str, trained: bool = True) -> Answers:
        """By the leaves reached, or by the backbone as it came. split: train (as many rows as dev
        has), dev, or one of `Task.tests`.
        """
        return self.reading(trained).answers(self._rows(split))

    def reading(self, trained: bool = True) -> Reading:
        """By the leaves reached, or by the backbone as it came."""
        methods, leaves = (self._methods(), self.leaves) if trained else self._untrained()
        asis, how = not (trained and self.approach.stages), self.approach.normalisation
        return Reading(self.bench, self.prompts, how, methods, leaves, asis)

    def _untrained(self) -> tuple[tuple[Method, ...], Leaves]:
        """The backbone as it came. Methods that change nothing before they train stay, so that what
        they are scored by is not compiled again without them.
        """
        methods, params = self._methods(), self.bench.backbone.params
        if not all(method.neutral for method in methods):
            return self._methods(0), params
        own = tuple(f"{method.name}:" for method in methods)
        return methods, params | {p: x for p, x in self.begun.items() if p.startswith(own)}

    def _rows(self, split: str) -> list[Encoded]:
        """As each of the prompts has them."""
        if split in ("train", "dev", "test"):
            return [prompt.rows(split) for prompt in self.prompts]
        return self._beside_test[split]

    @cached_property
    def _beside_test(self) -> dict[str, list[Encoded]]:
        """What is like test: it was not checked before training, so long texts are cut."""
        tests = self.run.cell.task.tests.items()
        return {
            split: [prompt.cutting(examples) for prompt in self.prompts]
            for split, examples in tests
            if split != "test"
        }


def _shapes(*args: Any) -> Leaves:
    """What `add` adds, as shapes: nothing is drawn, so nothing is compiled."""
    return jax.eval_shape(partial(add, *args))
