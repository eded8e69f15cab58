"""Variance by source: the sample, the order of batches or demonstrations, the initialisation.

    python scripts/sweep.py --config configs/seeds.py

Four approaches of the quickstart on its tasks, with 16 shots per class. Five seeds of each source
are crossed in a Latin square of 25 runs per cell; 5 of them are the ordinary runs.
results/seeds/seeds.md has the share of each source.
"""

from ml_collections import ConfigDict

from research.experiments.presets import few_shot, trained


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "seeds"
    config.backbone = "world-1m"
    config.tasks = tuple(dict(source="world", name=name) for name in ("sentiment", "novel"))
    config.regimes = ("16-shot",)
    config.seeds = 5
    config.search_seeds = 2
    config.crossed_seeds = 5
    config.max_dev = 128

    config.schedule = ConfigDict()
    config.schedule.steps = 120
    config.schedule.batch_size = 8
    config.schedule.eval_every = 30
    config.schedule.patience = 2

    config.approaches = (
        few_shot(draws=3),
        trained("soft prompt", dict(name="soft_prompt", length=10), (3e-2, 1e-1, 3e-1)),
        trained("LoRA", dict(name="lora", rank=8, alpha=16.0), (3e-3, 1e-2, 3e-2)),
        trained("full fine-tuning", dict(name="full"), (3e-4, 1e-3, 3e-3)),
    )
    return config
