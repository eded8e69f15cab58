"""Parses an approach from the plain data of a config."""

from collections.abc import Mapping
from typing import Any

from research.common.config import build
from research.common.errors import InputError
from research.experiments.approach import LEARNING_RATES, Approach
from research.experiments.prompt_search import PromptSearch
from research.experiments.stage import parse_stage
from research.training.optimizer import Schedule


def parse_approach(values: Mapping[str, Any], schedule: Schedule, path: str) -> Approach:
    """Parses the plain data of a config; a stage's schedule overrides the common `schedule`.

    Raises InputError for unknown fields, methods and trial fields, naming the `path` in the
    config.
    """
    if not isinstance(values, Mapping):
        raise InputError(path, values, "a mapping with the fields of an approach is expected")
    stages = values.get("stages", ())
    if not isinstance(stages, tuple | list):
        raise InputError(f"{path}.stages", stages, "a sequence of stages is expected")
    parsed = tuple(
        parse_stage(stage, schedule, f"{path}.stages[{i}]") for i, stage in enumerate(stages)
    )
    values = {**values, "stages": parsed}
    if isinstance(values.get("trials"), Mapping):
        values["trials"] = build(PromptSearch, values["trials"], f"{path}.trials")
    approach = build(Approach, values, path)
    if approach.trials == LEARNING_RATES and not approach.stages:
        raise InputError(f"{path}.trials", LEARNING_RATES, "the approach has no stage to train")
    if not isinstance(approach.trials, tuple):
        approach.check_demonstrated(path)
        return approach
    if not approach.trials:
        raise InputError(f"{path}.trials", approach.trials, "at least one trial is expected")
    if any(trial.get("chat") == "auto" for trial in approach.trials):
        raise InputError(f"{path}.trials.chat", "auto", "a trial is True or False")
    tried = [approach.at(trial, f"{path}.trials") for trial in approach.trials]
    for candidate, trial in zip(tried, approach.trials, strict=True):
        candidate.check_demonstrated(path)
        if tried.count(candidate) > 1:
            raise InputError(f"{path}.trials", trial, "each trial is allowed once")
    return approach
