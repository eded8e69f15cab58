"""What the runs of an approach compile, and how long that takes."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import jax

from research.experiments.approach import Approach
from research.experiments.plan import CellPlan
from research.experiments.stage_sequence import methods_after, methods_during
from research.methods.method import Leaves
from research.sweeps.dry_run.machine import Machine
from research.sweeps.dry_run.sizes import stage_labels
from research.sweeps.dry_run.time_estimate import TimeEstimate

PATTERN_SECONDS = 2.0  # of compiling a pattern for the tokens of a vocabulary


@dataclass
class CompiledPrograms:
    """What the runs of an approach compile.

    Attributes:
        programs: training steps that are compiled separately.
        widths: programs with the widths of their rows, each of which is compiled.
        prompts: programs that answer, beside those of training.
        patterns: formats that texts are constrained to, each of which is compiled by each worker.
    """

    programs: set[Any] = field(default_factory=set)
    widths: set[Any] = field(default_factory=set)
    prompts: set[Any] = field(default_factory=set)
    patterns: set[Any] = field(default_factory=set)

    @property
    def generates(self) -> bool:
        """Whether the backbone answers with texts."""
        return any(key[0] == "text" for key in self.prompts)

    def add(self, cell: CellPlan, approaches: Sequence[Approach], estimate: TimeEstimate) -> None:
        """Adds what the runs of a cell compile.

        Args:
            cell: the cell.
            approaches: the approach with the values of each trial.
            estimate: has the rows of the tasks.
        """
        stages, widths = _programs(cell, approaches[0]), estimate.widths(cell, approaches[0])
        self.widths |= {(stages[index], width) for index, width in widths}
        for approach in approaches:
            self.programs |= set(_programs(cell, approach))
            self.prompts |= _prompts(cell, approach, estimate)
            if approach.constrained:
                form = cell.task.name, approach.answer_by, approach.max_new_tokens
                self.patterns.add(form)

    def seconds(self, machine: Machine, layers: int, before: Sequence["CompiledPrograms"]) -> float:
        """Seconds of compiling what no earlier approach has compiled.

        Args:
            machine: the machine.
            layers: number of layers of the backbone.
            before: what the earlier approaches compile.
        """
        programs = self.programs.difference(*(other.programs for other in before))
        widths = self.widths.difference(*(other.widths for other in before))
        patterns = self.patterns.difference(*(other.patterns for other in before))
        counts = len(programs), len(widths), len(self.prompts)
        of_patterns = PATTERN_SECONDS * machine.workers * len(patterns)
        return machine.compile_seconds(layers, *counts) + of_patterns


def layers_of(leaves: Leaves) -> int:
    """Number of layers of a backbone, of encoder and decoder together."""
    return len({path.split("/attention")[0] for path in leaves if "/attention" in path})


def _prompts(cell: CellPlan, approach: Approach, estimate: TimeEstimate) -> set[Any]:
    """Keys of the compiled programs that answer beside those of training. Tasks whose rows are
    alike share them.
    """
    name, rows, keys = cell.task.name, estimate.rows, set[Any]()
    width = rows.prompt_width(name, approach)
    if not approach.stages:
        keys.add((len(cell.task.labels), width, approach.target_end))
    if new := rows.lengths(name, approach).new:
        keys.add(("text", width, new, approach.samples > 1, approach.constrained))
    return keys


def _programs(cell: CellPlan, approach: Approach) -> list[Any]:
    """Key of the compiled step of each stage, without the widths of rows."""
    programs = []
    for index, (stage, labels) in enumerate(
        zip(approach.stages, stage_labels(cell, approach), strict=True)
    ):
        methods = methods_during(stage, methods_after(approach.stages[:index]))
        classes = len(labels) if any(method.is_head for method in methods) else 0
        programs.append((jax.tree.structure(methods), len(stage.methods), stage.schedule, classes))
    return programs
