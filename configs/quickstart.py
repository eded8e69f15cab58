"""Six approaches on two embedded tasks, with 16 shots per class and with 500 examples.

    python scripts/sweep.py --config configs/quickstart.py

A few minutes on two CPU cores. The backbone learned `sentiment` during pretraining; the words of
`novel` do not occur in its pretraining text. Reference scores: results/quickstart_reference/.
"""

from ml_collections import ConfigDict

from research.experiments.presets import few_shot, trained, zero_shot


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "quickstart"
    config.backbone = "world-1m"
    config.tasks = tuple(dict(source="world", name=name) for name in ("sentiment", "novel"))
    config.regimes = ("16-shot", "500")
    config.seeds = 5
    config.search_seeds = 2
    config.max_dev = 128
    config.held_out = "world"  # unseen text like that of pretraining

    config.schedule = ConfigDict()
    config.schedule.steps = 120
    config.schedule.batch_size = 8
    config.schedule.eval_every = 30
    config.schedule.patience = 2

    config.approaches = (
        zero_shot(),
        few_shot(draws=3),
        trained("soft prompt", dict(name="soft_prompt", length=10), (3e-2, 1e-1, 3e-1)),
        trained("LoRA", dict(name="lora", rank=8, alpha=16.0), (3e-3, 1e-2, 3e-2)),
        trained("last 2 layers", dict(name="last_layers", last=2), (1e-3, 3e-3, 1e-2)),
        trained("full fine-tuning", dict(name="full"), (3e-4, 1e-3, 3e-3)),
    )
    return config
