"""All methods and combinations of them on two embedded tasks, 500 examples each.

    python scripts/sweep.py --config configs/methods.py

Ten minutes on two CPU cores. The backbone learned `sentiment` during pretraining; the words of
`novel` do not occur in its pretraining text. Not included: BitFit, since this backbone has no
biases, and heads, which decoders do not support (see configs/minilm.py). Every row has three
trials; without training, each is tried with every way to score labels. Each hybrid is followed by
its control row, which spends all steps on the first stage; the control of "full, then a prompt" is
full fine-tuning. Results: results/methods/.
"""

from typing import Any

from ml_collections import ConfigDict

from research.experiments.presets import (
    few_shot,
    gradual_unfreezing,
    hybrid,
    prompt_search,
    trained,
    zero_shot,
)

STEPS = 120
LAYERS = 3
SOFT = dict(name="soft_prompt", length=10)
LORA = dict(name="lora", rank=8, alpha=16.0)
# Three rates, about a factor of 3 apart, up to where training this backbone is still stable.
SOFT_RATES = (3e-2, 1e-1, 3e-1)
FACTOR_RATES = (3e-3, 1e-2, 3e-2)
LAYER_RATES = (1e-3, 3e-3, 1e-2)
FULL_RATES = (3e-4, 1e-3, 3e-3)


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "methods"
    config.backbone = "world-1m"
    config.tasks = tuple(dict(source="world", name=name) for name in ("sentiment", "novel"))
    config.regimes = ("500",)
    config.seeds = 5
    config.search_seeds = 2
    config.max_dev = 128
    config.held_out = "world"

    config.schedule = ConfigDict()
    config.schedule.steps = STEPS
    config.schedule.batch_size = 8
    config.schedule.eval_every = 30
    config.schedule.patience = 2

    config.approaches = (*prompts(), *soft_prompts(), *weights(), *hybrids())
    return config


def prompts() -> tuple[dict[str, Any], ...]:
    return (
        zero_shot(),
        few_shot(draws=3),
        prompt_search("nearest demonstrations", 3, demonstrations=4, choice="nearest"),
        prompt_search("calibrated few-shot", 3, demonstrations="fit", prior="content_free"),
    )


def soft_prompts() -> tuple[dict[str, Any], ...]:
    return (
        trained("soft prompt", SOFT, SOFT_RATES),
        trained("soft prompt, uniform start", {**SOFT, "start": "uniform"}, SOFT_RATES),
        trained("soft prompt, start at labels", {**SOFT, "start": "labels"}, SOFT_RATES),
        trained("prefix", dict(name="prefix", length=10), SOFT_RATES),
        trained("prefix by an MLP", dict(name="prefix", length=10, hidden=64), LAYER_RATES),
    )


def weights() -> tuple[dict[str, Any], ...]:
    adapters = dict(name="bottleneck", size=16)
    return (
        trained("LoRA", LORA, FACTOR_RATES),
        trained("rsLoRA", {**LORA, "stabilised": True}, FACTOR_RATES),
        trained("LoRA+", {**LORA, "b_rate": 16.0}, LAYER_RATES),
        trained("LoRA, all layers", {**LORA, "targets": (r".*",)}, FACTOR_RATES),
        trained("DoRA", {**LORA, "name": "dora"}, FACTOR_RATES),
        trained("IA3", dict(name="ia3"), SOFT_RATES),
        trained("norms", dict(name="norms"), SOFT_RATES),
        trained("adapters (Houlsby)", {**adapters, "form": "houlsby"}, FACTOR_RATES),
        trained("adapters (Pfeiffer)", {**adapters, "form": "pfeiffer"}, FACTOR_RATES),
        trained("attention", dict(name="selected", leaves=(r".*attention/.*",)), LAYER_RATES),
        trained("last layer", dict(name="last_layers", last=1), LAYER_RATES),
        trained("full fine-tuning", dict(name="full"), FULL_RATES),
        gradual_unfreezing("gradual unfreezing", LAYERS, STEPS, FULL_RATES),
    )


def hybrids() -> tuple[dict[str, Any], ...]:
    half = dict(steps=STEPS // 2)
    soft = dict(method=SOFT, schedule=half)
    full = dict(method=dict(name="full"), learning_rate=1e-3, schedule=half)
    lora = dict(method=LORA, learning_rate=1e-2, schedule=half, merge=True)
    elsewhere = dict(task="sentiment")
    trials = [dict(learning_rate=rate) for rate in SOFT_RATES]
    together = dict(
        name="soft prompt and LoRA together",
        stages=[dict(methods=[SOFT, LORA])],
        trials=[dict(learning_rate=rate) for rate in FACTOR_RATES],
    )
    prompted = dict(
        name="full, then a prompt",
        stages=[dict(method=dict(name="full"), learning_rate=1e-3, template=0)],
        trials="templates",
    )
    rate = dict(learning_rate=1e-1)
    return (
        together,
        prompted,
        *hybrid("full, then soft prompt", [full, soft], trials),
        *hybrid("LoRA merged, then soft prompt", [lora, soft], trials),
        *hybrid("full on sentiment, then soft prompt", [{**full, **elsewhere}, soft], trials),
        *hybrid("soft prompt of sentiment first", [{**soft, **rate, **elsewhere}, soft], trials),
    )
