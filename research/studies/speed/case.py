"""Kinds of benchmark cases: a step of two sides, a whole process, the start of a script."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import jax

from research.studies.speed import inputs

Write = Callable[[Path], None]
OURS, PEFT = "our_side", "peft_side"  # modules in `sides`, see `sides.worker`


@dataclass(frozen=True)
class Case:
    """Two workloads that are timed in alternating rounds.

    Attributes:
        name: Shown in the table.
        at_least: Target for the other side's time divided by ours. It applies on a CPU, or on a GPU
            if the case is for a GPU only. None: the ratio is reported without a target.
        write: Writes the inputs of both sides into a folder.
        ours: Name of our workload in `our_side.WORKS`.
        other: (module, workload) of the other side, see its `WORKS`.
        device: `cpu`, `gpu` or `any`.
        cycle: Number of batches; each round takes a multiple of this many steps.
        learning_rate: Learning rate of both sides.
        runs: Number of runs that one of our steps advances. The other side trains them one after
            the other, one run per step. Times are per run.
        other_flags: XLA flags for the other side only.
        memory_at_most: Target for our process's peak memory divided by the other's; as `at_least`.
        compile_at_most: Target for the seconds of compilation; as `at_least`.
        published: Numbers of papers on the same question, with their systems.
    """

    name: str
    at_least: float | None
    write: Write
    ours: str = "train"
    other: tuple[str, str] = (PEFT, "train")
    device: str = "any"
    cycle: int = inputs.BATCHES
    learning_rate: float = 1e-3
    runs: int = 1
    other_flags: str = ""
    memory_at_most: float | None = None
    compile_at_most: float | None = None
    published: str = ""

    def prepare(self, folder: Path) -> None:
        """Writes the inputs on the CPU; a GPU would compile each operation separately."""
        with jax.default_device(jax.devices("cpu")[0]):
            self.write(folder)


@dataclass(frozen=True)
class WholeProcessCase:
    """Two processes timed from start to exit, compilation included.

    Ours is a sweep of a config in `configs/speed.py`, with an empty compilation cache.

    Attributes:
        name: Shown in the table.
        at_least: Target for the PEFT time divided by ours.
        config: Name of the config in `configs/speed.py`.
        write: Writes the inputs of the PEFT process into a folder.
        other: Name of the PEFT workload in `peft_side.WORKS`.
        flags: Further flags of scripts/sweep.py; `{inputs}` stands for that folder.
    """

    name: str
    at_least: float
    config: str
    write: Write
    other: str = "sweep"
    flags: tuple[str, ...] = ()


@dataclass(frozen=True)
class StartupCase:
    """Time from the start of scripts/train.py to its first training step.

    Attributes:
        name: Shown in the table.
        at_most: Target in seconds.
        config: File name in `configs/`.
        approach: Name of an approach of the config.
    """

    name: str
    at_most: float
    config: str
    approach: str
