"""Six approaches on two tasks of the embedded world, with 16 shots per class and 500 examples.

    python scripts/sweep.py --config configs/quickstart.py

Takes about five minutes on two CPU cores. `sentiment` is a skill that the backbone has seen in its
corpus; `novel` has words and a rule it has never seen. Scores: results/quickstart_reference/.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "quickstart"
    config.backbone = "world-1m"
    config.tasks = tuple(dict(source="world", name=name) for name in ("sentiment", "novel"))
    config.regimes = ("16-shot", "500")
    config.seeds = 5
    config.search_seeds = 2
    config.max_dev = 128

    config.schedule = ConfigDict()
    config.schedule.steps = 60
    config.schedule.batch_size = 16
    config.schedule.eval_every = 20

    config.approaches = (
        dict(name="zero-shot prompt", trials=[dict(template=i) for i in range(3)]),
        dict(
            name="few-shot prompt",
            demonstrations="fit",
            trials=[dict(draw=i) for i in range(3)],
        ),
        trained("soft prompt", dict(name="soft_prompt", length=10), (1e-2, 3e-2, 1e-1)),
        trained("LoRA", dict(name="lora", rank=8, alpha=16.0), (3e-3, 1e-2, 3e-2)),
        trained("last 2 layers", dict(name="last_layers", last=2), (3e-4, 1e-3, 3e-3)),
        trained("full fine-tuning", dict(name="full"), (1e-4, 3e-4, 1e-3)),
    )
    return config


def trained(name: str, method: dict, learning_rates: tuple[float, ...]) -> dict:
    """A row with one stage and a learning rate chosen on dev."""
    trials = [dict(learning_rate=rate) for rate in learning_rates]
    return dict(name=name, stages=[dict(method=method)], trials=trials)
