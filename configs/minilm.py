"""An encoder with a classification head: MiniLM on Banking77 and AG News.

    python scripts/sweep.py --config configs/minilm.py

Five approaches, with five shots per class and with all training examples, five seeds. Needs the
checkpoint and the data under ADAPTLAB_SHARED. Results: results/minilm_banking77_agnews/.

AG News: 4,990 of the 120,000 training examples are available, and 1,000 of the 7,600 test examples
are scored. Its texts are long, so it trains for 50 steps and Banking77 for 150: at most a quarter
of an epoch of the full data, too little to beat TF-IDF there. The head reads the mean of the
hidden states, as in this encoder's own training.
"""

from ml_collections import ConfigDict

from research.experiments.presets import with_head


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "minilm_banking77_agnews"
    config.backbone = "$ADAPTLAB_SHARED/models/all-MiniLM-L6-v2"
    banking = dict(
        source="file",
        name="banking77",
        train="$ADAPTLAB_SHARED/data/banking77/train.csv",
        test="$ADAPTLAB_SHARED/data/banking77/test.csv",
        label="category",
        templates=("{text}",),
    )
    news = dict(
        source="ag_news",
        folder="$ADAPTLAB_SHARED/data/ag_news",
        train="train_subset.jsonl",
        most_test=1000,
        templates=("{text}",),
    )
    config.tasks = (banking, news)
    config.regimes = ("5-shot", "all")
    config.seeds = 5
    config.search_seeds = 1
    config.max_dev = 128

    config.schedule = ConfigDict()
    config.schedule.steps = 150
    config.schedule.batch_size = 16
    config.schedule.eval_every = 50
    config.schedule.patience = 2
    config.schedules = ConfigDict({"ag_news": dict(steps=50, eval_every=25)})

    soft = dict(name="soft_prompt", length=20)
    lora = dict(name="lora", rank=8, alpha=16.0, targets=("query", "value"))
    last = dict(name="last_layers", last=2)
    config.approaches = tuple(
        with_head(name, methods, rates, pool="mean")
        for name, methods, rates in (
            ("head only", (), (3e-3, 1e-2, 3e-2)),
            ("soft prompt + head", (soft,), (3e-3, 1e-2, 3e-2)),
            ("LoRA + head", (lora,), (1e-3, 3e-3, 1e-2)),
            ("last 2 layers + head", (last,), (3e-4, 1e-3, 3e-3)),
            ("full + head", (dict(name="full"),), (1e-4, 3e-4, 1e-3)),
        )
    )
    return config
