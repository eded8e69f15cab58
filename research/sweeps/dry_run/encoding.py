"""Estimates the seconds in which the rows of planned runs are encoded."""

from collections import Counter
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from research.experiments.approach import Approach
from research.experiments.plan import CellPlan, Run
from research.experiments.stage_sequence import methods_after
from research.sweeps.dry_run.machine import Machine
from research.sweeps.dry_run.sampled_rows import SampledRows

# Of a row whose token ids are cached: filled, looked up and padded; fixed, and for each token.
ROW_SECONDS, TOKEN_SECONDS = 5e-6, 8e-8


class EncodingSeconds(NamedTuple):
    """Seconds of encoding the rows of a cell.

    Attributes:
        checks: before the first run, where one process checks the rows of all runs.
        runs: in the runs and their evaluations on test.
    """

    checks: float
    runs: float


@dataclass
class EncodingEstimate:
    """Estimates the seconds of encoding, cell by cell in the order of the plan.

    A process tokenizes each text once: the prompts of a template, with the demonstrations before
    each. It keeps the encoded rows for runs that differ in training alone.

    Attributes:
        rows: the rows of the tasks.
        machine: the machine that executes the runs.
        max_dev: maximum number of dev examples.
        checked: what was encoded in checks.
        executed: number of earlier runs by what they encode.
    """

    rows: SampledRows
    machine: Machine
    max_dev: int
    checked: set[Hashable] = field(default_factory=set)
    executed: Counter[Hashable] = field(default_factory=Counter)

    def seconds(self, cell: CellPlan) -> EncodingSeconds:
        """Seconds of the next cell."""
        if not cell.approach.uses_backbone:
            return EncodingSeconds(0.0, 0.0)
        checks = 0.0
        for run in (run for trial in cell.trials for run in cell.final(trial)):
            checked = replace(run.approach, draw=0, normalisation="sum")
            for part, seconds in self._parts(run, checked):
                checks += 0.0 if part in self.checked else seconds
                self.checked.add(part)
        first = Run(cell, cell.trials[0], 0).approach
        runs = len(cell.tested(cell.trials[0])) * self._handling(cell, first)
        for run in _all_runs(cell):
            for part, seconds in self._parts(run, run.approach):
                # The chance that no earlier run with it was executed by the same worker.
                runs += (1 - 1 / self.machine.workers) ** self.executed[part] * seconds
                self.executed[part] += 1
        return EncodingSeconds(checks, runs)

    def _parts(self, run: Run, approach: Approach) -> Iterable[tuple[Hashable, float]]:
        """(key, seconds) of all that is encoded for a run, with the prompt of `approach`."""
        cell = run.cell
        positions = sum(method.positions for method in methods_after(approach.stages))
        shared = ("trained", positions) if approach.stages else approach.name
        for prompt in approach.members(len(cell.task.templates)):
            column = cell.task.name, str(cell.regime)
            yield (*column, prompt.prompt, run.seed, shared), self._handling(cell, prompt)
            texts = (*column, prompt.template, prompt.layout, prompt.rationale)
            if prompt.demonstrations:
                texts = (*texts, prompt.demonstrations, prompt.choice, prompt.draw, run.seed)
            yield texts, self._tokenizing(cell, prompt)

    def _count(self, cell: CellPlan) -> float:
        """Number of rows of train, dev and the test splits."""
        train = self.rows.train(cell.task.name, cell.regime)
        return train + min(self.max_dev, train) + self.rows.test(cell.task.name)

    def _handling(self, cell: CellPlan, prompt: Approach) -> float:
        """Seconds of encoding all rows from cached token ids."""
        tokens, before = self._tokens(cell, prompt)
        return self._count(cell) * (ROW_SECONDS + (tokens + before) * TOKEN_SECONDS)

    def _tokenizing(self, cell: CellPlan, prompt: Approach) -> float:
        """Seconds of tokenizing all rows with the last of the texts that they share, or with the
        nearest demonstrations, which are also tokenized alone for the rows of test.
        """
        tokens, before = self._tokens(cell, prompt)
        again, alone = min(tokens, before), 0.0
        if prompt.choice == "nearest":
            again, alone = before, self.rows.test(cell.task.name) * before
        return (self._count(cell) * (tokens + again) + alone) / self.machine.tokenized

    def _tokens(self, cell: CellPlan, prompt: Approach) -> tuple[float, float]:
        """(mean tokens of a row, tokens before it: of demonstrations, an instruction, a chat)."""
        name, shared = cell.task.name, self.rows.lengths(cell.task.name, prompt).shared
        before = shared + self.rows.demonstration_tokens(name, prompt)
        return self.rows.mean_tokens(name, prompt), before


def _all_runs(cell: CellPlan) -> Iterable[Run]:
    """The runs of a cell, as if the first trial were chosen."""
    return (run for group in cell.groups(cell.trials[0]) for run in group)
