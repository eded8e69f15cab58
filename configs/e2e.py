"""Text generation: E2E NLG with a small language model of film reviews and news.

    python scripts/sweep.py --config configs/e2e.py

The model writes a sentence about a restaurant from its attributes. BLEU is the headline metric;
the other text metrics are recorded too. Needs the checkpoint and the data under ADAPTLAB_SHARED.
The published training file is not there, so 200 inputs of the dev file train, each with all
references. 100 inputs of test are scored. With three seeds, every cell is provisional.
"""

from ml_collections import ConfigDict

from research.experiments.presets import trained


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "e2e_reviews-lm"
    config.backbone = "$ADAPTLAB_SHARED/models/reviews-lm"
    config.task = ConfigDict()
    config.task.source = "e2e_nlg"
    config.task.folder = "$ADAPTLAB_SHARED/data/e2e_nlg"
    config.task.train = "devset.csv"
    config.task.dev = None
    config.task.most_test = 100
    config.task.decoding = dict(max_new_tokens=80)
    config.regimes = ("200",)
    config.seeds = 3
    config.search_seeds = 1
    config.max_dev = 32

    config.schedule = ConfigDict()
    config.schedule.steps = 100
    config.schedule.batch_size = 8
    config.schedule.eval_every = 50

    lora = dict(name="lora", rank=8, alpha=16.0, targets=(r"(attention|mlp)/.*",))
    config.approaches = (
        dict(name="zero-shot prompt", trials=[dict(template=0), dict(template=1)]),
        trained("LoRA, all layers", lora, (1e-3, 3e-3)),
        trained("full fine-tuning", dict(name="full"), (3e-4, 1e-3)),
    )
    return config
