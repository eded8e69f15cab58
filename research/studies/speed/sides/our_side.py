"""Our workloads by name; each runs the code that users run."""

from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp

from research.models.backbone import load_backbone
from research.runtime.executable import compile_seconds
from research.studies.speed.case_files import read_factors
from research.studies.speed.sides.scoring import Scoring, Serving, ServingOne
from research.studies.speed.sides.training import (
    Training,
    TrainingByLength,
    TrainingByScan,
    TrainingManyTogether,
    TrainingTogether,
    TrainingUnfused,
)
from research.studies.speed.sides.training_in_loop import TrainingInLoop
from research.studies.speed.sides.workloads import Workloads


class MatrixProduct:
    """A step is one matrix product."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.factors = [jnp.asarray(factor, dtype) for factor in read_factors(folder)]
        self.product = jax.jit(jnp.matmul)

    def step(self) -> float:
        """One element of the product."""
        return float(self.product(*self.factors)[0, 0])

    def flops(self) -> float:
        (rows, inner), (_, columns) = (factor.shape for factor in self.factors)
        return 2.0 * rows * inner * columns


class ModelLoading:
    """Loads the model in the case's folder, and has no steps."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.backbone = load_backbone(str(folder / "model"), jnp.dtype(dtype))


def _device_peak_bytes() -> int | None:
    return (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")


WORKS: dict[str, Any] = {
    "load": ModelLoading,
    "train": Training,
    "train in the loop": TrainingInLoop,
    "train by length": TrainingByLength,
    "train by scan": TrainingByScan,
    "train 16 together": TrainingTogether,
    "train 64 together": TrainingManyTogether,
    "train unfused": TrainingUnfused,
    "score": Scoring,
    "mixed": Serving,
    "one task": ServingOne,
    "product": MatrixProduct,
}
SIDE = Workloads(WORKS, _device_peak_bytes, compile_seconds)
