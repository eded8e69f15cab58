"""One run at work: its data, the leaves it has reached and what its stages gave."""

import hashlib
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jax
import numpy as np
from transformers import PreTrainedTokenizerBase

from research.devices import Devices
from research.errors import InputError
from research.evaluation.predict import Scored, predict
from research.methods.head import Head
from research.methods.method import Leaves, Method, add, added_to, backbone, mask
from research.models.backbone import Backbone
from research.sweeps.data import run_data
from research.sweeps.plan import Run
from research.sweeps.result import Result
from research.tasks.encoded import Encoded
from research.tasks.form import Route
from research.training.loop import Member, Outcome
from research.training.step import Hyper

# Positions offered to a backbone that takes any number of them: as many as T5 was trained with.
UNBOUNDED = 512


@dataclass(frozen=True)
class Bench:
    """What all runs of an experiment share. prompted: scores of prompts without training, which
    many seeds and regimes have in common.
    """

    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    devices: Devices
    dtype: Any
    checkpoints: Path
    prompted: dict[bytes, Scored] = field(default_factory=dict)


class Work:
    """One run at work: its data, the leaves it has reached and the outcomes of its stages."""

    def __init__(self, run: Run, bench: Bench):
        self.run, self.bench, self.approach = run, bench, run.approach
        self.leaves: Leaves = dict(bench.backbone.params)
        self._check_head()
        methods = self._methods(len(self.approach.stages))
        self.taken = sum(method.positions for method in methods)
        room = (bench.backbone.context or UNBOUNDED) - self.taken
        self.data = run_data(run, bench.tokenizer, room, self._route(methods))
        self.outcomes: list[Outcome] = []

    def member(self, index: int) -> Member:
        """The run as a member of its cohort in stage `index`."""
        stage, seed = self.approach.stages[index], self.run.seed
        for method in stage.methods:
            if not any(path.startswith(f"{method.name}:") for path in self.leaves):
                key = jax.random.PRNGKey(seed)
                self.leaves |= add(method, key, self.leaves, self.data.words)
        hyper = Hyper(
            self._methods(index + 1),
            np.float32(stage.learning_rate),
            np.float32(stage.weight_decay),
        )
        data = self.data
        training = len(stage.methods)
        return Member(seed, hyper, self.leaves, data.train, data.dev, data.frame, training)

    def keep(self, outcome: Outcome) -> None:
        """Continues from what a stage has trained."""
        self.leaves = {**self.leaves, **outcome.trained}
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
            costs=self._costs(),
            notes={
                "demonstrations": data.demonstrations,
                "cut": data.cut,
                "dropped": data.split.dropped,
                "steps": [outcome.progress.steps for outcome in self.outcomes],
                "best_step": [outcome.progress.best_step for outcome in self.outcomes],
            },
            data={"task_checksum": task.checksum, "split_checksum": data.split.checksum},
            test_scores=lambda: self._score(data.test).scores,
            backbone={"name": self.bench.backbone.name, "checksum": self.bench.backbone.checksum},
            history=tuple(outcome.progress.history for outcome in self.outcomes),
            trained={p: x for outcome in self.outcomes for p, x in outcome.trained.items()},
        )

    def _check_head(self) -> None:
        """Raises InputError for a head that the backbone came with and that does not fit."""
        bias, labels = self.leaves.get("head:/bias"), self.run.cell.task.labels
        if bias is not None and len(bias) != len(labels):
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

    def _methods(self, count: int) -> tuple[Method, ...]:
        """The methods of the first stages, each where it last trained, traced fields as float32.

        A head that the backbone came with goes first.
        """
        chosen: dict[str, Method] = {}
        if any(path.startswith("head:") for path in self.bench.backbone.params):
            chosen["head"] = Head()
        for stage in self.approach.stages[:count]:
            for method in stage.methods:
                chosen.pop(method.name, None)
                chosen[method.name] = method
        return tuple(jax.tree.map(np.float32, method) for method in chosen.values())

    def _score(self, encoded: Encoded) -> Scored:
        if self.approach.stages:
            return self._predict(encoded)
        parts = (encoded.tokens, encoded.start, encoded.label, *self.data.labels, *self.data.frame)
        key = hashlib.sha256(b" ".join(np.asarray(part).tobytes() for part in parts)).digest()
        if key not in self.bench.prompted:
            self.bench.prompted[key] = self._predict(encoded)
        return self.bench.prompted[key]

    def _predict(self, encoded: Encoded) -> Scored:
        return predict(
            self.bench.backbone.model,
            self._methods(len(self.approach.stages)),
            self.leaves,
            encoded,
            self.data.frame,
            self.data.labels,
            devices=self.bench.devices,
            dtype=self.bench.dtype,
        )

    def _costs(self) -> dict[str, Any]:
        """As design.md defines them; bytes are those of what is kept, in float32."""
        trained: set[str] = set()
        for stage in self.approach.stages:
            trained |= {path for path, is_so in mask(stage.methods, self.leaves).items() if is_so}
        sizes = [self.leaves[path].size for path in trained]
        stored = [self.leaves[path].size for path in backbone(dict.fromkeys(trained))]
        for method in {m.name: m for m in self.approach.methods}.values():
            for leaf in added_to(method, self.leaves).values():
                kept = jax.eval_shape(method.stored, leaf)
                stored += [array.size for array in kept.values()]
        done = [outcome.progress for outcome in self.outcomes]
        seconds = sum(p.steps * statistics.median(p.step_seconds) for p in done)
        cost = done[-1].cost if done else {}
        return {
            "trained_params": sum(sizes),
            "stored_bytes": 4 * sum(stored),
            "train_seconds": round(seconds, 4),
            "added_tokens": self.data.added + self.taken,
            "step_flops": cost.get("flops"),
            "memory": {name: value for name, value in cost.items() if name != "flops"},
        }
