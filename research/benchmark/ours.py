"""Our side of a case: the code that sweeps and `scripts/predict.py` run, and nothing beside it."""

from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from research.benchmark.material import Batches, adapter_folders, read_batches, read_factors
from research.benchmark.profile import profiled
from research.devices import Devices
from research.evaluation.bank import Adapter, bank
from research.evaluation.batch import Frame, Rows, bucket, frame, prompt_width, rows
from research.evaluation.mixed import mixed_scores
from research.evaluation.predict import score
from research.executable import compile_seconds
from research.interop.peft import load_adapter
from research.methods.full import Full
from research.methods.method import Leaves, Method, mask, split
from research.models import flash
from research.models.backbone import load_backbone
from research.tasks.encoded import Encoded, Labels
from research.training.batches import batch_indices
from research.training.cohort import OneByOne, Together
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state

DEVICES = Devices(count=1)


class Material:
    """A case's model and batches as we read them; weights that do not train as `dtype`."""

    def __init__(self, folder: Path, dtype: str):
        self.dtype = jnp.dtype(dtype)
        self.backbone = load_backbone(str(folder / "model"), self.dtype)
        self.folders, self.batches = adapter_folders(folder), read_batches(folder)

    def adapter(self, place: int) -> tuple[tuple[Method, ...], Leaves]:
        """(methods, the leaves they add), all traced hyper-parameters as arrays."""
        methods, added = load_adapter(
            self.folders[place], self.backbone.model, self.backbone.params
        )
        return tuple(jax.tree.map(np.float32, method) for method in methods), added

    def frame(self) -> Frame:
        """What stands around every row."""
        return frame(list(self.batches.opening), list(self.batches.closing))

    def encoded(self, batch: int) -> Encoded:
        one = self.batches
        return Encoded(one.tokens[batch], one.length[batch], one.start[batch], one.label[batch], 0)

    def everything(self) -> Encoded:
        """The rows of all batches."""
        one = self.batches
        flat = (x.reshape(-1, *x.shape[2:]) for x in (one.tokens, one.length, one.start, one.label))
        return Encoded(*flat, cut=0)


class Training:
    """A step is one optimizer step on the next batch: AdamW, and the gradient clipped.

    Of `runs` runs that begin alike, where those of a cohort advance together.
    """

    runs, kind = 1, OneByOne

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        given = Material(folder, dtype)
        methods, added = given.adapter(0) if given.folders else ((Full(),), {})
        leaves = {**given.backbone.params, **added}
        trained, frozen = split(leaves, mask(methods, leaves))
        rows_a_step = given.batches.tokens.shape[1]
        schedule = Schedule(batch_size=rows_a_step, warmup=0.0, decay="constant")
        program = Program(given.backbone.model, schedule, given.dtype)
        state = init_state(program, jax.random.PRNGKey(0), trained)
        self.cohort = self.kind(program, DEVICES, [state] * self.runs, [frozen] * self.runs)
        self.hyper = Hyper(methods, np.float32(learning_rate), np.float32(0.0))
        self.frame = given.frame()
        causal = given.backbone.model.ROUTE == "causal"
        closing = None if causal else len(self.frame.closing)
        self.parts = [_batch(encoded, closing) for encoded in self._encoded(given)]
        self.done = 0

    def step(self) -> float:
        """The loss, a mean over target tokens."""
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        members = ([one] * self.runs for one in (part, self.frame, self.hyper, True))
        return float(self.cohort.advance(*members).mean())

    def _encoded(self, given: Material) -> list[Encoded]:
        return [given.encoded(i) for i in range(len(given.batches.tokens))]

    def profile(self) -> dict[str, float]:
        """See `profiled`; of steps on the first batch."""
        program = self.cohort.compiled(self.parts[0], self.frame, self.hyper).as_text()
        del self.parts[1:]
        return profiled(self.step, program)

    def flops(self) -> float | None:
        """Of a step, as XLA counts them, on average over the batches; None where it does not."""
        costs = [self.cohort.cost(part, self.frame, self.hyper)["flops"] for part in self.parts]
        known = [flops for flops in costs if flops is not None]
        return self.runs * float(np.mean(known)) if known else None


class TrainingTogether(Training):
    """A step is one of each of 16 runs, vmapped."""

    runs, kind = 16, Together


class TrainingManyTogether(TrainingTogether):
    """Of 64 runs."""

    runs = 64


class TrainingUnfused(Training):
    """Attention without the fused kernel of a GPU."""

    def __init__(self, *settings: Any):
        flash.OLDEST = float("inf")
        super().__init__(*settings)


class TrainingByLength(Training):
    """As a sweep batches the same rows: those of like length together, see `batch_indices`."""

    def _encoded(self, given: Material) -> list[Encoded]:
        everything = given.everything()
        rows_a_step, count = given.batches.tokens.shape[1], len(given.batches.tokens)
        return [
            chosen_of(everything, batch_indices(everything.length, rows_a_step, 0, step))
            for step in range(count)
        ]


class Scoring:
    """A step scores every label after every row of the next batch."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.given, self.done = Material(folder, dtype), 0
        self.labels = _labels(self.given.batches)

    def step(self) -> float:
        """The mean score."""
        given, batch = self.given, self.done % len(self.given.batches.tokens)
        self.done += 1
        scores = score(
            given.backbone.model,
            (),
            given.backbone.params,
            given.encoded(batch),
            given.frame(),
            self.labels,
            devices=DEVICES,
            dtype=given.dtype,
            batch_size=given.batches.tokens.shape[1],
        )
        return float(scores.mean())

    def flops(self) -> float | None:
        return None


class Serving:
    """A step scores the next batch, row i by adapter i modulo `tasks`, all of them in memory."""

    tasks = 16

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        given = Material(folder, dtype)
        labels, around = _labels(given.batches), given.frame()
        adapters = {
            str(i): Adapter(*given.adapter(i), around, labels) for i in range(len(given.folders))
        }
        model, params = given.backbone.model, given.backbone.params
        self.bank = bank(model, given.dtype, params, adapters)
        self.params, self.done = params, 0
        self.scores = jax.jit(partial(mixed_scores, model, given.dtype))
        self.parts = [_batch(given.encoded(i)) for i in range(len(given.batches.tokens))]
        self.which = np.arange(given.batches.tokens.shape[1], dtype=np.int32) % self.tasks

    def step(self) -> float:
        part = self.parts[self.done % len(self.parts)]
        self.done += 1
        return float(self.scores(self.params, self.bank, part, self.which).mean())

    def flops(self) -> float | None:
        return None


class ServingOne(Serving):
    """The same rows, all by the first of the same adapters."""

    tasks = 1


class Product:
    """A step is a product of two matrices."""

    def __init__(self, folder: Path, dtype: str, learning_rate: float):
        del learning_rate
        self.factors = [jnp.asarray(one, dtype) for one in read_factors(folder)]
        self.product = jax.jit(jnp.matmul)

    def step(self) -> float:
        """One number of the product."""
        return float(self.product(*self.factors)[0, 0])

    def flops(self) -> float:
        (rows, inner), (_, columns) = (one.shape for one in self.factors)
        return 2.0 * rows * inner * columns


WORKS: dict[str, Any] = {
    "train": Training,
    "train by length": TrainingByLength,
    "train 16 together": TrainingTogether,
    "train 64 together": TrainingManyTogether,
    "train unfused": TrainingUnfused,
    "score": Scoring,
    "mixed": Serving,
    "one task": ServingOne,
    "product": Product,
}


def peak_bytes() -> int | None:
    """The most that was in use on the accelerator; None where there is none."""
    stats = jax.devices()[0].memory_stats() or {}
    return stats.get("peak_bytes_in_use")


def compiled_seconds() -> float:
    """What compiling has taken so far."""
    return compile_seconds()


def _labels(batches: Batches) -> Labels:
    lengths = np.full(len(batches.labels), batches.labels.shape[1], np.int32)
    return Labels(batches.labels, lengths)


def chosen_of(encoded: Encoded, chosen: np.ndarray) -> Encoded:
    """The rows `chosen` (indices)."""
    parts = (encoded.tokens, encoded.length, encoded.start, encoded.label)
    return Encoded(*(part[chosen] for part in parts), cut=0)


def _batch(encoded: Encoded, closing: int | None = None) -> Rows:
    """As wide as a sweep makes it; closing: tokens after a prompt whose target stands elsewhere."""
    chosen = np.arange(len(encoded.length))
    if closing is None:
        width = bucket(int(encoded.length.max()))
    else:
        width = prompt_width(encoded, chosen, closing)
    return rows(encoded, chosen, len(chosen), width, max(1, encoded.longest_target))
