"""Prompt engineering: how much do better prompts gain, and after how many is there no more gain?

    python scripts/sweep.py --config configs/prompting.py

Two embedded tasks, 16 shots per class, no training. prompts.md has the spread over prompts and the
expected best of 1, 2, 4, 8 and 16 of them. The templates are those of the embedded tasks; a task
from a file can have instructions in its templates and several texts per label.
"""

from ml_collections import ConfigDict

from research.experiments.presets import prompt_search, zero_shot


def get_config() -> ConfigDict:
    config = ConfigDict()
    config.name = "prompting"
    config.backbone = "world-1m"
    config.tasks = tuple(dict(source="world", name=name) for name in ("sentiment", "topic"))
    config.regimes = ("16-shot",)
    config.seeds = 5
    config.search_seeds = 2
    config.max_dev = 128

    priors = ("none", "content_free", "domain")
    trials = [dict(template=i, prior=prior) for i in range(3) for prior in priors]
    config.approaches = (
        zero_shot(),
        dict(name="zero-shot prompt, calibrated or not", trials=trials),
        prompt_search("balanced demonstrations", 16, demonstrations="fit"),
        prompt_search("random demonstrations", 16, demonstrations="fit", choice="random"),
        prompt_search("nearest demonstrations", 3, demonstrations="fit", choice="nearest"),
        prompt_search("balanced, content-free", 16, demonstrations="fit", prior="content_free"),
        prompt_search("balanced, domain premise", 16, demonstrations="fit", prior="domain"),
        prompt_search("ensemble of 4", 4, demonstrations="fit", ensemble=4),
    )
    return config
