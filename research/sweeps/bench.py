"""What all runs of an experiment work with."""

import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from research.devices import Devices
from research.evaluation.answering import Answers
from research.models.backbone import Backbone
from research.sweeps.lineage import Stages


class Once:
    """Values that are computed once, whichever thread asks first; the others wait."""

    def __init__(self) -> None:
        self._values: dict[Hashable, Any] = {}
        self._lock = threading.Lock()

    def __call__(self, key: Hashable, compute: Callable[[], Any]) -> Any:
        """The value of `key`, by `compute` if it is the first time."""
        with self._lock:
            if key not in self._values:
                self._values[key] = compute()
            return self._values[key]


@dataclass(frozen=True)
class Bench:
    """What all runs of an experiment share. held_out: ids of the text that general ability is
    measured on. prompted: scores of prompts without training, which many seeds and regimes have in
    common. once: what else they have in common.
    """

    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    devices: Devices
    dtype: Any
    checkpoints: Path
    stages: Stages
    held_out: list[int] | None = None
    prompted: dict[bytes, Answers] = field(default_factory=dict)
    once: Once = field(default_factory=Once)
