"""Prompt engineering as seriously as its users do it: how far do better prompts get, and when is
there no more to gain?

    python scripts/sweep.py --config configs/prompting.py

Two tasks of the embedded world, 16 shots per class, nothing trained: 408 runs. prompts.md has the
spread over prompts and the expected best of 1, 2, 4, 8, 16 of them. The texts are the world's own;
a task from a file has its instructions in its templates, and several texts per label.
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

    readouts = [dict(prior=prior) for prior in ("none", "content_free", "domain")]
    read = [dict(template=i, **readout) for i in range(3) for readout in readouts]
    config.approaches = (
        zero_shot(),
        dict(name="zero-shot prompt, calibrated or not", trials=read),
        prompt_search("balanced demonstrations", 16, demonstrations="fit"),
        prompt_search("random demonstrations", 16, demonstrations="fit", choice="random"),
        prompt_search("nearest demonstrations", 3, demonstrations="fit", choice="nearest"),
        prompt_search("balanced, content-free", 16, demonstrations="fit", prior="content_free"),
        prompt_search("balanced, domain premise", 16, demonstrations="fit", prior="domain"),
        prompt_search("ensemble of 4", 4, demonstrations="fit", ensemble=4),
    )
    return config
