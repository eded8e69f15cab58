"""An instruct model that people use: SmolLM2-135M-Instruct on SST-2, AG News and Subj.

    python scripts/sweep.py --config configs/smollm2.py --config.backbone=FOLDER
    python scripts/sweep.py --config configs/smollm2.py:sst2 --config.backbone=FOLDER

The second form sweeps one of the tasks into the same results folder. The default backbone is the
folder in ADAPTLAB_SMOLLM2, or any folder or hub id, such as HuggingFaceTB/SmolLM2-135M-Instruct
(Apache-2.0). The data are under ADAPTLAB_SHARED. Results: results/smollm2/.

Twelve approaches with 16 shots per class and with 256 examples, three seeds, three learning rates
each. Few-shot rows have 8 demonstrations per class: as many as fit into 8,192 positions would be
nearly all of the training data.
"""

from typing import Any

from ml_collections import ConfigDict

from research.common.errors import choose_from
from research.experiments.presets import hybrid, prompt_search, trained, zero_shot

DATA = "$ADAPTLAB_SHARED/data"
TASKS: dict[str, dict[str, Any]] = {
    "sst2": dict(
        source="file",
        name="sst2",
        train=f"{DATA}/sst2/train.tsv",
        test=f"{DATA}/sst2/dev.tsv",
        text="sentence",
        label="label",
        templates=(
            "{sentence} It was",  # with these label words, Gao et al. 2021 (arXiv 2012.15723)
            "{sentence}\nThis movie was",
            "Review: {sentence}\nThe film is",
        ),
        verbalizer={"0": "terrible", "1": "great"},
    ),
    "ag_news": dict(
        source="ag_news",
        folder=f"{DATA}/ag_news",
        train="train_subset.jsonl",
        most_test=1000,
    ),
    "subj": dict(
        source="sentences",
        name="subj",
        file=f"{DATA}/subj/subj.all",
        verbalizer={"0": "subjective", "1": "objective"},  # Gao et al. 2021
        templates=(
            "{sentence} This is",
            "{sentence}\nThis sentence is",
            "Sentence: {sentence}\nThe sentence is",
        ),
        most_test=1000,
    ),
}


def get_config(task: str = "") -> ConfigDict:
    if task and task not in TASKS:
        raise KeyError(f"{task}: {choose_from(TASKS, task)}")
    config = ConfigDict()
    config.name = "smollm2"
    config.backbone = "$ADAPTLAB_SMOLLM2"
    config.tasks = tuple(TASKS[name] for name in ([task] if task else TASKS))
    config.regimes = ("16-shot", "256")
    config.seeds = 3
    config.search_seeds = 2
    config.max_dev = 64

    config.schedule = ConfigDict()
    config.schedule.steps = 120
    config.schedule.batch_size = 8
    config.schedule.eval_every = 20
    config.schedule.patience = 3

    soft = dict(name="soft_prompt", length=20)
    full = dict(method=dict(name="full"), learning_rate=3e-5, schedule=dict(steps=60))
    prompt = dict(method=soft, schedule=dict(steps=60))
    draws = [dict(draw=draw) for draw in range(3)]
    config.approaches = (
        zero_shot(),
        dict(name="zero-shot chat", chat=True, trials="templates"),
        dict(name="few-shot prompt", demonstrations=8, trials=draws),
        prompt_search("searched prompt", 8, demonstrations=8),
        trained("soft prompt", soft),
        trained("prefix tuning", dict(name="prefix", length=20)),
        trained("LoRA", dict(name="lora", rank=8, alpha=16.0, targets=("query", "value"))),
        trained("last 2 layers", dict(name="last_layers", last=2)),
        trained("head", dict(name="head", pool="last")),
        trained("full fine-tuning", dict(name="full")),
        *hybrid("full, then soft prompt", [full, prompt], "learning_rates"),
    )
    return config
