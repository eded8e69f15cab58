"""Sixteen runs of one method, timed as a whole process by `scripts/benchmark.py`.

    python scripts/sweep.py --config configs/speed.py:lora
    python scripts/sweep.py --config configs/speed.py:soft_prompt

Four learning rates times four seeds, 200 steps of 8 rows, model and task of the quickstart.
"""

from ml_collections import ConfigDict

from research.common.errors import choose_from
from research.experiments.presets import trained

METHODS = {
    "lora": (dict(name="lora", rank=8, alpha=16.0), (1e-3, 3e-3, 1e-2, 3e-2)),
    "soft_prompt": (dict(name="soft_prompt", length=10), (1e-2, 3e-2, 1e-1, 3e-1)),
}


def get_config(method: str = "lora") -> ConfigDict:
    if method not in METHODS:
        raise KeyError(f"{method}: {choose_from(METHODS, method)}")
    config = ConfigDict()
    config.name = f"speed_{method}"
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

    settings, rates = METHODS[method]
    config.approaches = (trained(method, settings, rates),)
    return config
