"""One run at work: its data, the leaves it has reached and what its stages gave."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import Any

import jax
import numpy as np

from research.errors import InputError
from research.evaluation.answering import Answers
from research.methods.head import Head
from research.methods.merging import merged
from research.methods.method import Leaves, Method, add, added_to, mask
from research.sweeps.bench import Bench
from research.sweeps.costs import costs
from research.sweeps.data import RunData, run_data
from research.sweeps.learning import described, majority, not_learned
from research.sweeps.plan import Run
from research.sweeps.result import Result, predictions
from research.tasks.encoded import Encoded
from research.tasks.form import Route
from research.training.loop import Member, Outcome
from research.training.optimizer import factors
from research.training.step import Hyper

# Positions offered to a backbone that takes any number of them: as many as T5 was trained with.
UNBOUNDED = 512


class Work:
    """One run at work: its data, the leaves it has reached and the outcomes of its stages."""

    def __init__(self, run: Run, bench: Bench):
        self.run, self.bench, self.approach = run, bench, run.approach
        self.leaves: Leaves = dict(bench.backbone.params)
        self._check_head()
        methods = self._methods()
        self.taken = sum(method.positions for method in methods)
        self.room = (bench.backbone.context or UNBOUNDED) - self.taken
        self.route: Route = self._route(methods)
        self.data = run_data(run, bench.tokenizer, self.room, self.route)
        self.outcomes: list[Outcome] = []
        self.changed: Leaves = {}  # with which the backbone's leaves are the run's

    def stage_data(self, index: int) -> RunData:
        """What stage `index` trains on."""
        stage = self.approach.stages[index]
        if (stage.task, stage.regime, stage.template) == (None, None, None):
            return self.data
        return run_data(self.run, self.bench.tokenizer, self.room, self.route, stage)

    def member(self, index: int, data: RunData) -> Member:
        """The run as a member of its cohort in stage `index`, which trains on `data`."""
        stage, seed = self.approach.stages[index], self.run.seed
        for method in stage.methods:
            if not any(path.startswith(f"{method.name}:") for path in self.leaves):
                key = jax.random.PRNGKey(seed)
                self.leaves |= add(method, key, self.leaves, data.words)
        hyper = Hyper(
            self._training(index),
            np.float32(stage.learning_rate),
            np.float32(stage.weight_decay),
        )
        training = len(stage.methods)
        return Member(seed, hyper, self.leaves, data.train, data.dev, data.frame, training)

    def check(self, index: int) -> None:
        """Raises InputError for what would stop stage `index`, without training it."""
        stage = self.approach.stages[index]
        leaves = self.member(index, self.stage_data(index)).leaves
        trains = mask(stage.methods, leaves)
        factors(stage.schedule, stage.methods, [path for path in leaves if trains[path]])
        if stage.merge:
            jax.eval_shape(partial(merged, self._training(index)), leaves)

    def keep(self, outcome: Outcome) -> None:
        """Continues from what the next stage has trained."""
        index = len(self.outcomes)
        self.leaves = {**self.leaves, **outcome.trained}
        self.changed = {**self.changed, **outcome.trained}
        if self.approach.stages[index].merge:
            whole = merged(self._training(index), self.leaves)
            folded = {p: leaf for p, leaf in whole.items() if leaf is not self.leaves.get(p)}
            kept = {p: leaf for p, leaf in self.changed.items() if p in whole}
            self.leaves, self.changed = whole, {**kept, **folded}
        self.outcomes.append(outcome)

    def result(self) -> Result:
        task, data = self.run.cell.task, self.data
        diverged = any(outcome.progress.status == "diverged" for outcome in self.outcomes)
        return Result(
            status="diverged" if diverged else "finished",
            n_train=len(data.split.train),
            metrics={
                "train": self._score(data.train.head(len(data.dev.length))).metrics,
                "dev": self._score(data.dev).metrics,
            },
            costs=costs(self.outcomes, self.changed, self._methods(), data.added + self.taken),
            notes={
                "demonstrations": data.demonstrations,
                "cut": data.cut,
                "dropped": data.split.dropped,
                "steps": [outcome.progress.steps for outcome in self.outcomes],
                "best_step": [outcome.progress.best_step for outcome in self.outcomes],
                **self._learned(),
            },
            data={"task_checksum": task.checksum, "split_checksum": data.split.checksum},
            test=lambda: predictions(task, self._score(data.test)),
            backbone={"name": self.bench.backbone.name, "checksum": self.bench.backbone.checksum},
            history=tuple(outcome.progress.history for outcome in self.outcomes),
            trained=self.changed,
        )

    def _learned(self) -> dict[str, Any]:
        """Notes on what training came to, of approaches that train."""
        if not self.approach.stages:
            return {}
        metric, classes = self.run.cell.task.metric, len(self.run.cell.task.labels)
        others = {"the majority class": majority(self.data, metric, classes)} if classes else {}
        if self.route != "head":
            others["the backbone as it came"] = self._untrained(self.data.dev).metrics[metric]
        score = self._score(self.data.dev).metrics[metric]
        notes: dict[str, Any] = {"not_learned": not_learned(metric, score, others)}
        for method in self._methods():
            prompt = method.prefix(added_to(method, self.leaves).get("", {}))
            if prompt is not None:
                table = self.leaves["embed/embedding"]
                notes["prompt"] = described(prompt, table, self.bench.tokenizer)
        return notes

    def _check_head(self) -> None:
        """Raises InputError for a head that the backbone came with and that does not fit."""
        bias, labels = self.leaves.get("head:/bias"), self.run.cell.task.labels
        if bias is not None and labels and len(bias) != len(labels):
            allowed = f"its classification head has {len(bias)} classes, the task {len(labels)}"
            raise InputError("backbone", self.bench.backbone.name, allowed)

    def _route(self, methods: Sequence[Method]) -> Route:
        """How labels are scored. Raises InputError where the backbone cannot."""
        model = self.bench.backbone.model
        if any(method.is_head for method in methods):
            if model.ROUTE != "masked":
                allowed = "only encoders (bert, roberta) carry a classification head"
                raise InputError("method", "head", allowed)
            return "head"
        if model.ROUTE == "masked" and not model.config.masked_lm:
            allowed = "the backbone has no masked-LM head: an approach needs the method 'head'"
            raise InputError("approach", self.approach.name, allowed)
        return model.ROUTE

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

    def _score(self, encoded: Encoded) -> Answers:
        if not self.approach.stages:
            return self._untrained(encoded)
        return self._predict(self._methods(), self.leaves, encoded)

    def _untrained(self, encoded: Encoded) -> Answers:
        """By the backbone as it came, once for all runs that ask the same of it."""
        parts = (encoded.tokens, encoded.start, encoded.label, *self.data.frame)
        content = [f"{self.run.cell.task.checksum} {self.route}".encode()]
        content += [np.asarray(part).tobytes() for part in parts]
        key = hashlib.sha256(b" ".join(content)).digest()
        if key not in self.bench.prompted:
            leaves = self.bench.backbone.params
            self.bench.prompted[key] = self._predict(self._methods(0), leaves, encoded)
        return self.bench.prompted[key]

    def _predict(self, methods: tuple[Method, ...], leaves: Leaves, encoded: Encoded) -> Answers:
        return self.data.answering.answers(
            self.bench.backbone.model,
            methods,
            leaves,
            encoded,
            self.data.frame,
            devices=self.bench.devices,
            dtype=self.bench.dtype,
        )
