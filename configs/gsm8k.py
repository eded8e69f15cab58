"""GSM8K: answers alone and with a rationale, by one text and by the vote of eight.

    python scripts/sweep.py --config configs/gsm8k.py
    python scripts/sweep.py --config configs/gsm8k.py --config.backbone=... --plan

Any decoder serves as backbone, by default SmolLM2-135M-Instruct in the folder ADAPTLAB_SMOLLM2. The
data, train.jsonl and test.jsonl of github.com/openai/grade-school-math, lie in
ADAPTLAB_SHARED/data/gsm8k; without `folder`, the task reads them from the hub.

"answer" rows give the answer at once, "rationale" rows write the published solution first. An
answer stands after `####`, as the prompt says; an output without it is wrong, and the share of such
outputs is a column of the table. "vote of 8" samples eight texts at a temperature of 0.7 and takes
their most frequent answer (Wang et al. 2023, arXiv 2203.11171). 200 test problems are scored;
`--config.task.most_test=1319` scores all. With three seeds, every cell is provisional.
"""

from typing import Any

from ml_collections import ConfigDict

from research.experiments.presets import trained

ANSWER_TOKENS, RATIONALE_TOKENS = 16, 256  # maximum length of an output
RATIONALE = dict(rationale=True, max_new_tokens=RATIONALE_TOKENS)


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "gsm8k"
    config.backbone = "$ADAPTLAB_SMOLLM2"  # a folder or a hub id
    config.task = ConfigDict()
    config.task.source = "gsm8k"
    config.task.folder = "$ADAPTLAB_SHARED/data/gsm8k"
    config.task.most_test = 200
    config.task.templates = (
        "Question: {question}\nAnswer:",
        "Solve the problem and write the final number after ####.\nQuestion: {question}\nAnswer:",
    )
    config.task.decoding = dict(max_new_tokens=ANSWER_TOKENS)
    config.regimes = ("1000",)
    config.seeds = 3
    config.search_seeds = 1
    config.max_dev = 64
    config.max_tokens = 2048  # with demonstrations
    config.too_long = "cut"

    config.schedule = ConfigDict()
    config.schedule.steps = 250
    config.schedule.batch_size = 8
    config.schedule.eval_every = 125

    lora = dict(name="lora", rank=16, alpha=32.0, targets=(r"(attention|mlp)/.*",))
    config.approaches = (
        prompt("zero-shot", max_new_tokens=RATIONALE_TOKENS),
        prompt("4 demonstrations, answer", demonstrations=4),
        prompt("4 demonstrations, rationale", demonstrations=4, **RATIONALE),
        prompt("4 demonstrations, rationale, vote of 8", demonstrations=4, samples=8, **RATIONALE),
        trained("LoRA, answer", lora),
        trained("LoRA, rationale", lora) | RATIONALE,
        trained("LoRA, rationale, vote of 8", lora) | RATIONALE | dict(samples=8),
    )
    return config


def prompt(name: str, **fields: Any) -> dict[str, Any]:
    """A row without training; dev chooses one of the templates."""
    return dict(name=name, trials="templates", **fields)
