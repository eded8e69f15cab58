"""LoRA-FA: LoRA whose first factor is frozen."""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import ClassVar

from research.methods.lora import LoRA
from research.methods.method import traced_method


@traced_method("alpha", "dropout", "b_rate")
@dataclass(frozen=True)
class LoRAFA(LoRA):
    """LoRA with A frozen at its random start: only B trains.

    Zhang et al. 2023 (arXiv 2308.03303), section 3: as many trained parameters as B has, and the
    backward pass needs x A [B, T, R] in place of x [B, T, D_in]. A is stored beside B, since it
    follows from the run's seed alone. Settings are LoRA's. The authors' later correction of the
    gradient of B, which PEFT has as an optimizer, is not applied. Learning rates: LoRA's and three
    times more; ours, not tuned.
    """

    name: ClassVar[str] = "lora_fa"
    learning_rates: ClassVar[tuple[float, ...]] = (3e-4, 1e-3, 3e-3)

    def freezes(self, paths: Collection[str]) -> Iterable[str]:
        return [path for path in paths if not path.endswith("/b")]
