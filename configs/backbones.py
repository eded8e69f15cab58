"""Which backbone, adapted how? A small model of film reviews beside a larger instruct model.

    python scripts/sweep.py --config configs/backbones.py

SST-2 with 256 examples: reviews-lm (8.7M parameters) and SmolLM2-135M-Instruct in one table, each
prompted, with a soft prompt, with LoRA and fully fine-tuned, each at its own learning rates. Needs
ADAPTLAB_SHARED and ADAPTLAB_SMOLLM2; `config.backbones` takes any folders and hub ids.
"""

from ml_collections import ConfigDict

from research.experiments.presets import trained, zero_shot


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "backbones"
    config.backbones = ("$ADAPTLAB_SHARED/models/reviews-lm", "$ADAPTLAB_SMOLLM2")
    config.task = ConfigDict()
    config.task.source = "file"
    config.task.name = "sst2"
    config.task.train = "$ADAPTLAB_SHARED/data/sst2/train.tsv"
    config.task.test = "$ADAPTLAB_SHARED/data/sst2/dev.tsv"
    config.task.text = "sentence"
    config.task.label = "label"
    config.task.templates = ("{sentence} It was", "{sentence}\nThis movie was")
    config.task.verbalizer = ConfigDict({"0": "terrible", "1": "great"})
    config.regimes = ("256",)
    config.seeds = 3
    config.search_seeds = 2
    config.max_dev = 64

    config.schedule = ConfigDict()
    config.schedule.steps = 120
    config.schedule.batch_size = 8
    config.schedule.eval_every = 20
    config.schedule.patience = 3

    lora = dict(name="lora", rank=8, alpha=16.0, targets=("query", "value"))
    config.approaches = (
        zero_shot(),
        trained("soft prompt", dict(name="soft_prompt", length=20)),
        trained("LoRA", lora),
        trained("full fine-tuning", dict(name="full")),
    )
    return config
