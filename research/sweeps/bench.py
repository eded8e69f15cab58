"""What all runs of an experiment work with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from research.devices import Devices
from research.models.backbone import Backbone
from research.sweeps.lineage import Stages


@dataclass(frozen=True)
class Bench:
    """What all runs of an experiment share. prompted: scores of texts after prompts without
    training, which many seeds, regimes and rows have in common.
    """

    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    devices: Devices
    dtype: Any
    checkpoints: Path
    stages: Stages
    prompted: dict[bytes, np.ndarray] = field(default_factory=dict)
