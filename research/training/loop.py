"""The training loop: steps, dev scores, early stopping, best states and checkpoints."""

import dataclasses
import functools
import math
import time
from collections.abc import Sequence
from contextlib import nullcontext

import jax
import numpy as np

from research.evaluation.batch import EncodedPrompts
from research.evaluation.result_cache import ResultCache
from research.evaluation.scoring import check_prompts
from research.methods.adapted import Adapted
from research.methods.method import Leaves
from research.runtime.clock import spent_on
from research.runtime.executable import Call, scoring_clock
from research.runtime.kept_copy import kept_copy
from research.training.checkpoint import Checkpoints, Part
from research.training.cohort import Cohort, cohort_on
from research.training.dev_scorer import DevScorer
from research.training.member import Member, MemberProgress, Outcome, shapes_of, width_of
from research.training.options import FitOptions
from research.training.step import Program, init_state
from research.training.step_batches import StepBatches


class TrainingLoop:
    """Trains members that advance together; it holds each one's best leaves, results and progress.

    Results are those of predictors on dev with the best leaves.
    """

    def __init__(self, program: Program, members: Sequence[Member], options: FitOptions):
        self.program, self.members, self.options = program, members, options
        for m in members:
            adapted = Adapted(program.model, m.hyper.methods, m.leaves)
            check_prompts(adapted, EncodedPrompts(m.train, m.frame))
        self.shapes = options.shapes or shapes_of(members, options.answerer)
        self.batches = StepBatches(program, members, self.shapes)
        self.scorer = DevScorer(program, options)
        self.step = 0
        self.progress = [MemberProgress() for _ in members]
        self.losses: list[np.ndarray] = []
        self.widest = 0
        parts = [member.split() for member in members]
        self.frozen = [frozen for _, frozen in parts]
        self.best: list[Leaves] = [
            {p: np.asarray(x, np.float32) for p, x in trained.items()} for trained, _ in parts
        ]
        self.results = [ResultCache() for _ in members]
        self.cohort = self._start(
            [
                init_state(program, jax.random.PRNGKey(m.seed), trained)
                for m, (trained, _) in zip(members, parts, strict=True)
            ]
        )

    def run(self) -> list[Outcome]:
        """Trains to the end of the schedule, from the last checkpoint if any; see `fit`."""
        with self.options.checkpoints or nullcontext():
            self._train()
        return list(map(Outcome, self.best, self.progress, self.results))

    def _train(self) -> None:
        options = self.options
        self.restore(options.checkpoints)
        if options.compile_ahead is not None:
            options.compile_ahead(self.calls())
        first = self.step + 1
        while not self.done:
            self.advance()
            if self.step == first:
                options.report(self.step, self.progress)
            if self.step % self.program.schedule.eval_every == 0 or self.last:
                self.evaluate()
                options.report(self.step, self.progress)
            # After this step's evaluation, since a resumed run does not repeat it.
            self.save(options.checkpoints)

    def _start(self, states: list) -> Cohort:
        return cohort_on(self.program, self.options.devices, states, self.frozen)

    @property
    def active(self) -> list[bool]:
        return [p.status == "running" for p in self.progress]

    @property
    def last(self) -> bool:
        return self.step >= self.program.schedule.steps

    @property
    def done(self) -> bool:
        return self.last or not any(self.active)

    @spent_on("training")
    def advance(self) -> None:
        """One step of every active member."""
        chosen = self.batches.chosen(self.step)
        batches = self.batches.at(chosen, self.cohort.shared_width)
        frames = [m.frame for m in self.members]
        hypers = [m.hyper for m in self.members]
        begun = time.perf_counter()
        losses = self.cohort.advance(batches, frames, hypers, self.active)
        seconds = (time.perf_counter() - begun) / max(1, sum(self.active))
        self.step += 1
        self.losses.append(losses)
        for running, progress, m, c in zip(
            self.active, self.progress, self.members, chosen, strict=True
        ):
            if running:
                progress.steps = self.step
                progress.step_seconds.append(seconds)
                if m.states is not None:
                    progress.trunk_seconds += float(m.states.seconds[c].sum())
        self._record_cost(self.step - 1)

    def calls(self) -> list[Call]:
        """Calls of the step for each batch width of the cohort up to the first evaluation."""
        first = self.members[0]
        return [
            call
            for batch in self.batches.of_each_width()
            for call in self.cohort.calls(batch, first.frame, first.hyper)
        ]

    def _record_cost(self, step: int) -> None:
        """Records the cost of the cohort's widest step so far."""
        size, first = self.program.schedule.batch_size, self.members[0]
        if self.widest >= width_of(self.shapes.longest, first.frame, self.shapes.widths):
            return
        longest = self.shapes.longest_at(size, step)
        width = width_of(longest, first.frame, self.shapes.widths)
        if width > self.widest:
            self.widest = width
            batch = self.batches.like(longest)
            cost = self.cohort.cost(batch, first.frame, first.hyper)
            for member, progress in zip(self.members, self.progress, strict=True):
                progress.cost, progress.shape = cost, [width, self.shapes.targets]
                if member.states is not None:
                    progress.trunk_flops = member.states.flops(size, batch.tokens.shape[1])

    @spent_on("scoring")
    def evaluate(self) -> None:
        """Evaluates active members on dev and keeps each member's best leaves."""
        # Summed in order, so that a member's sum does not depend on the number of members.
        losses = functools.reduce(np.add, self.losses) / len(self.losses)
        self.losses = []
        states = self.cohort.states()
        for i, (member, progress) in enumerate(zip(self.members, self.progress, strict=True)):
            if progress.status != "running":
                continue
            if not math.isfinite(losses[i]):
                progress.status = "diverged"
                continue
            trained = self.scorer.off_mesh(states[i].trained)
            begun = scoring_clock()
            results = ResultCache()
            dev = self.scorer.answers(member, {**self.frozen[i], **trained}, results)
            progress.evaluation_seconds += scoring_clock() - begun
            score, loss = dev.metrics[self.options.metric], dev.loss
            if not math.isfinite(loss) or dev.not_finite:
                progress.status = "diverged"
                continue
            progress.history.append([self.step, float(losses[i]), score, loss])
            if progress.record_dev(self.step, score, loss, self.program.schedule.patience):
                self.best[i] = {}  # freed before the copy
                self.best[i] = jax.tree.map(kept_copy, trained)
                self.results[i] = results

    @spent_on("saving checkpoints")
    def save(self, checkpoints: Checkpoints | None) -> None:
        """Saves a checkpoint, if one is due."""
        if checkpoints is None or not checkpoints.due():
            return
        progress = {
            "step": self.step,
            "widest": self.widest,
            "members": [dataclasses.asdict(p) for p in self.progress],
            "losses": [list(map(float, losses)) for losses in self.losses],
            "results": [results.plain() for results in self.results],
        }
        best_step = max(p.best_step for p in self.progress)
        # The best leaves before the first evaluation are those that a resumed run starts with.
        parts = {"best": Part(best_step, self.best)} if best_step else {}
        parts["states"] = Part(self.step, self.cohort.states())
        checkpoints.save(parts, progress)

    @spent_on("loading")
    def restore(self, checkpoints: Checkpoints | None) -> None:
        """Continues from the last checkpoint, if there is one."""
        if checkpoints is None:
            return
        saved = checkpoints.restore({"states": self.cohort.states(), "best": self.best})
        if saved is None:
            return
        arrays, progress = saved
        self.progress = [MemberProgress(**values) for values in progress["members"]]
        self.losses = [np.array(losses) for losses in progress["losses"]]
        self.best = jax.tree.map(np.asarray, arrays.get("best", self.best))
        if "results" in progress:  # not in checkpoints of earlier versions
            self.results = list(map(ResultCache.of_plain, progress["results"]))
        self.cohort = self._start(arrays["states"])
        self.step, self.widest = progress["step"], progress["widest"]
