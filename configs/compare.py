"""Your model, your data: six approaches on any CSV, TSV or JSON-lines file with texts and labels.

    python scripts/sweep.py --config configs/compare.py
    python scripts/sweep.py --config configs/compare.py --config.backbone=...

Every field is a flag, such as `--config.task.train=mine.csv`; docs/approaches.md describes them.
Learning rates are those of the methods for the size of the backbone; `--plan` prints them.
The defaults compare on SST-2 with a small decoder pretrained on reviews, 16 shots per class and
1,000 examples; this needs the checkpoint and the data under ADAPTLAB_SHARED, and a quarter of an
hour on two CPU cores. Results: results/sst2_reviews-lm/. This backbone is weak (8.7M parameters,
12.7M tokens of pretraining): with 1,000 examples, no approach reaches TF-IDF with logistic
regression.
"""

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from research.experiments.presets import few_shot, trained, zero_shot


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "sst2_reviews-lm"
    config.backbone = "$ADAPTLAB_SHARED/models/reviews-lm"  # a folder or a hub id

    config.task = ConfigDict()
    config.task.source = "file"
    config.task.name = "sst2"
    config.task.train = "$ADAPTLAB_SHARED/data/sst2/train.tsv"
    config.task.test = "$ADAPTLAB_SHARED/data/sst2/dev.tsv"
    config.task.text = "sentence"
    config.task.label = "label"
    config.task.templates = (
        "{sentence} It was",  # with these label words, Gao et al. 2021 (arXiv 2012.15723)
        "{sentence}\nThis movie was",
        "Review: {sentence}\nThe film is",
    )
    config.task.verbalizer = ConfigDict({"0": "terrible", "1": "great"})

    config.prompt = ConfigDict()
    config.prompt.chat = False  # True: prompts are chats by the tokenizer's own template
    config.prompt.system = ""  # system turn of chats
    config.prompt.instruction = ""  # text that stands once, before the demonstrations

    config.regimes = ("16-shot", "1000")
    config.seeds = 5
    config.search_seeds = 2
    config.max_dev = 100
    config.too_long = "error"
    config.precision = "float32"
    config.held_out = placeholder(str)  # a text file like the pretraining text
    config.price_per_hour = placeholder(float)  # of a device, for costs.md
    config.price_per_example = placeholder(float)  # of a labelled example

    config.schedule = ConfigDict()
    config.schedule.steps = 400
    config.schedule.batch_size = 8
    config.schedule.eval_every = 50
    config.schedule.patience = 3

    lora = dict(name="lora", rank=8, alpha=16.0, targets=("query", "value"))
    config.approaches = (
        zero_shot(),
        few_shot(draws=3),
        trained("soft prompt", dict(name="soft_prompt", length=20)),
        trained("LoRA", lora),
        trained("last 2 layers", dict(name="last_layers", last=2)),
        trained("full fine-tuning", dict(name="full")),
    )
    return config
