"""The machine of a dry run: FLOPs per second, workers and seconds of compilation."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from research.experiments.experiment import Experiment
from research.runtime.device_kinds import device_kind
from research.sweeps.dry_run.product_rate import ProductRate, measured_rate
from research.sweeps.dry_run.sampled_rows import TOKENIZED
from research.sweeps.worker_count import BUSY, workers_of_plan

# Steps of models of 10 and 60 million parameters reach 1 and 4 % of the rate of an H200, those of
# models of 0.5 and 9 million parameters about a quarter and most of that of a core.
REACHED, HALF_RATE = 0.4, {"cpu": 1.2e6, "accelerator": 5e8}
START = 10.0  # seconds until the first run begins, beside the checks of rows
# Seconds to compile a program for its first width of rows, and what scores with it; for each
# further width; and for a prompt alone: without the layers, and for each of them.
FIRST_WIDTH, FURTHER_WIDTH, PROMPT = (14.0, 0.4), (0.9, 0.2), (3.2, 0.2)


@dataclass(frozen=True)
class Machine:
    """The machine that executes the runs.

    Attributes:
        flops: FLOPs per second of a large matrix product, of one run.
        half_rate: number of parameters of a model whose steps reach half of `flops`.
        workers: number of runs at a time.
        tokenized: tokens per second of the tokenizer.
        cpu_share: share of the cores' time that the measurement of `flops` had; other programs had
            the rest, and the plan is for idle cores.
    """

    flops: float
    half_rate: float
    workers: int
    tokenized: float = TOKENIZED
    cpu_share: float = 1.0

    def rate(self, parameters: int) -> float:
        """FLOPs per second of the steps of a model: small matrices take longer to start."""
        return self.flops * parameters / (parameters + self.half_rate)

    def compile_seconds(self, layers: int, programs: int, widths: int, prompts: int = 0) -> float:
        """Seconds of compilation.

        XLA compiles equal parts of a program once, so that layers add little.

        Args:
            layers: number of layers of the model.
            programs: number of programs.
            widths: number of widths of all programs.
            prompts: number of programs of prompts alone.
        """
        costs = (FIRST_WIDTH, FURTHER_WIDTH, PROMPT)
        first, further, prompt = (fixed + each * layers for fixed, each in costs)
        return first * programs + further * max(0, widths - programs) + prompt * prompts

    def wall_seconds(self, work: float, checks: float = 0.0) -> float:
        """Seconds of a sweep.

        Args:
            work: seconds of its runs, one after the other.
            checks: seconds of checks before the first run.
        """
        return START + checks + work / (self.workers * BUSY)


def machine_of(
    experiment: Experiment, device: str | None, process_bytes: int, tokenized: float
) -> Machine:
    """The device of that name, or this machine as measured.

    Args:
        experiment: the experiment.
        device: name of another device; None for this machine.
        process_bytes: bytes of a process that executes the runs.
        tokenized: tokens per second of the tokenizer.
    """
    if device is not None:
        kind = device_kind(device)
        peak = kind.bfloat16 if experiment.precision == "bfloat16" else kind.float32
        half_rate = HALF_RATE["accelerator"]
        return Machine(REACHED * peak, half_rate, workers=1, tokenized=tokenized)
    measured = measured_rate(jnp.dtype(experiment.precision))
    workers = workers_of_plan(experiment, process_bytes) if _on_cpu() else 1
    return this_machine(measured, workers, tokenized)


def this_machine(measured: ProductRate, workers: int, tokenized: float = TOKENIZED) -> Machine:
    """This machine.

    Args:
        measured: the rate of its products.
        workers: number of runs at a time.
        tokenized: tokens per second of the tokenizer.
    """
    half_rate = HALF_RATE["cpu" if _on_cpu() else "accelerator"]
    return Machine(measured.flops, half_rate, workers, tokenized, measured.cpu_share)


def _on_cpu() -> bool:
    return jax.default_backend() == "cpu"
