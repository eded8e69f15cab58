"""What all runs of an experiment work with."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from research.devices import Devices
from research.evaluation.answering import Answers
from research.models.backbone import Backbone
from research.sweeps.lineage import Stages


@dataclass(frozen=True)
class Bench:
    """What all runs of an experiment share. prompted: scores of prompts without training, which
    many seeds and regimes have in common.
    """

    backbone: Backbone
    tokenizer: PreTrainedTokenizerBase
    devices: Devices
    dtype: Any
    checkpoints: Path
    stages: Stages
    prompted: dict[bytes, Answers] = field(default_factory=dict)
