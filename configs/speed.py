"""Sweeps that `scripts/benchmark.py` times as whole processes.

    python scripts/sweep.py --config configs/speed.py:lora
    python scripts/sweep.py --config configs/speed.py:soft_prompt
    python scripts/sweep.py --config configs/speed.py:table --config.backbone=FOLDER

The first two train one method with four learning rates times four seeds, 200 steps of 8 rows, model
and task of the quickstart. The third makes a table of a real model on SST-2 with 16 shots per
class: four approaches, two learning rates, two seeds, 40 steps of 8 rows.
"""

from ml_collections import ConfigDict

from research.common.errors import choose_from
from research.experiments.presets import trained

METHODS = {
    "lora": (dict(name="lora", rank=8, alpha=16.0), (1e-3, 3e-3, 1e-2, 3e-2)),
    "soft_prompt": (dict(name="soft_prompt", length=10), (1e-2, 3e-2, 1e-1, 3e-1)),
}
TABLE = "table"


def get_config(name: str = "lora") -> ConfigDict:
    if name == TABLE:
        return _table()
    if name not in METHODS:
        raise KeyError(f"{name}: {choose_from([*METHODS, TABLE], name)}")
    config = ConfigDict()
    config.name = f"speed_{name}"
    config.backbone = "world-1m"
    config.task = ConfigDict()
    config.task.source = "world"
    config.task.name = "sentiment"
    config.regimes = ("500",)
    config.seeds = 4
    config.search_seeds = 4
    config.max_dev = 128

    config.schedule = ConfigDict()
    config.schedule.steps = 200
    config.schedule.batch_size = 8
    config.schedule.eval_every = 200

    settings, rates = METHODS[name]
    config.approaches = (trained(name, settings, rates),)
    return config


def _table() -> ConfigDict:
    config = ConfigDict()
    config.name = "speed_table"
    config.backbone = "$ADAPTLAB_SHARED/models/reviews-lm"
    config.task = ConfigDict()
    config.task.source = "file"
    config.task.name = "sst2"
    config.task.train = "$ADAPTLAB_SHARED/data/sst2/train.tsv"
    config.task.test = "$ADAPTLAB_SHARED/data/sst2/dev.tsv"
    config.task.text = "sentence"
    config.task.label = "label"
    config.task.templates = ("{sentence} It was",)
    config.task.verbalizer = ConfigDict({"0": "terrible", "1": "great"})
    config.regimes = ("16-shot",)
    config.seeds = 2
    config.search_seeds = 2
    config.max_dev = 32

    config.schedule = ConfigDict()
    config.schedule.steps = 40
    config.schedule.batch_size = 8
    config.schedule.eval_every = 40

    config.approaches = (
        trained("soft prompt", dict(name="soft_prompt", length=20), (5e-2, 3e-1)),
        trained("LoRA", dict(name="lora", rank=8, alpha=16.0), (2e-4, 5e-4)),
        trained("last 2 layers", dict(name="last_layers", last=2), (5e-5, 2e-4)),
        trained("full fine-tuning", dict(name="full"), (1e-5, 5e-5)),
    )
    return config
