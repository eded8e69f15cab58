"""Part of a run record: costs."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class StepMemory:
    """Memory of the compiled training step, in bytes, of the stage that needs most.

    Attributes:
        argument_bytes: weights, optimizer state and batch.
        output_bytes: outputs of the step.
        temporary_bytes: activations, gradients and other temporaries.
        alias_bytes: outputs that reuse the memory of arguments.
        optimizer_bytes: the optimizer state among the arguments.
    """

    optimizer_bytes: int
    argument_bytes: int | None = None
    output_bytes: int | None = None
    temporary_bytes: int | None = None
    alias_bytes: int | None = None

    @property
    def weights(self) -> int | None:
        """Bytes of the weights, with the batch, which is small beside them."""
        if self.argument_bytes is None:
            return None
        return self.argument_bytes - self.optimizer_bytes

    @property
    def activations(self) -> int | None:
        """Bytes of activations, gradients and all else that the step needs at once."""
        outputs, temporaries, aliases = self.output_bytes, self.temporary_bytes, self.alias_bytes
        if outputs is None or temporaries is None or aliases is None:
            return None
        return outputs + temporaries - aliases


@dataclass(frozen=True)
class Costs:
    """Costs of a run. A cost is None where it was not measured or does not apply.

    Attributes:
        trained_params: number of parameters that training changes.
        stored_bytes: bytes to keep per task beside the backbone, in float32.
        added_tokens: tokens added to each input.
        train_seconds: all training steps, without compilation and evaluation, as if no hidden
            states below the trained layers were kept.
        trunk_seconds: the part of them that kept states have saved.
        evaluation_seconds: scoring dev, without compilation: during training, and after it what
            was not scored then. A result of the unadapted backbone that other runs share counts in
            each of them.
        test_seconds: scoring test once, in the same way.
        compile_seconds: compilation, shared by the runs of the shard.
        compile_cache_hits: programs found in the compilation cache.
        sweep_seconds: the whole shard from start to end, without test.
        seconds_by_purpose: wall seconds of the whole shard and of the run's evaluation on test, by
            purpose; see `research.runtime.clock`. Purposes do not overlap.
        switch_seconds: moving the stored leaves from host memory to the devices.
        added_params: parameters beside the backbone at inference.
        step_flops: FLOPs of the widest step of the last stage, counted by XLA.
        train_flops: FLOPs of all training steps, as if every batch were the widest and no hidden
            states were kept.
        trunk_flops: the part of them that kept states have saved.
        formula_flops: FLOPs of the same step by formula.
        peak_bytes: peak memory of the compiled step of one run; with kept states that of the
            layers above them.
        memory: the parts of that peak.
        request_tokens: tokens before the answer, mean over the test items.
        cache_bytes: keys and values of a request, mean over the test items.
        request_price: price of an answer of an external model, mean over the test items.
    """

    trained_params: int | None
    stored_bytes: int | None
    added_tokens: int | None
    train_seconds: float | None = None
    trunk_seconds: float = 0.0
    evaluation_seconds: float | None = None
    test_seconds: float | None = None
    compile_seconds: float | None = None
    compile_cache_hits: int | None = None
    sweep_seconds: float | None = None
    switch_seconds: float | None = None
    added_params: int | None = None
    step_flops: float | None = None
    train_flops: float | None = None
    trunk_flops: float = 0.0
    formula_flops: float | None = None
    peak_bytes: int | None = None
    memory: StepMemory | None = None
    request_tokens: float | None = None
    cache_bytes: int | None = None
    request_price: float | None = None
    seconds_by_purpose: Mapping[str, float] = field(default_factory=dict)

    @property
    def wall_seconds(self) -> float | None:
        """The sum of `seconds_by_purpose`; None where they were not recorded."""
        return sum(self.seconds_by_purpose.values()) if self.seconds_by_purpose else None

    def with_more_seconds(self, seconds: Mapping[str, float]) -> "Costs":
        """The costs with more seconds by purpose, if those until then were recorded."""
        if not self.seconds_by_purpose:
            return self
        total = dict(self.seconds_by_purpose)
        for purpose, more in seconds.items():
            total[purpose] = round(total.get(purpose, 0.0) + more, 4)
        return replace(self, seconds_by_purpose=total)

    @property
    def run_seconds(self) -> float | None:
        """Seconds of training and of scoring dev, as far as they are known."""
        if self.train_seconds is None:
            return None
        return self.train_seconds + (self.evaluation_seconds or 0)

    @property
    def all_train_seconds(self) -> float | None:
        """Seconds of training, of scoring dev and of compilation, as far as they are known."""
        if self.run_seconds is None:
            return None
        return self.run_seconds + (self.compile_seconds or 0)
