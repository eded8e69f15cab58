"""Checks the data of an experiment before training."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.select import answer_kind
from research.experiments.experiment import Experiment
from research.models.model import Model
from research.records.data_report import DataReport, read_data_report
from research.runs.room import room
from research.tasks.data_checks import FlaggedRows, Lengths, task_data_report
from research.tasks.data_checks.report import MOST_ROW_NUMBERS
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.special_tokens import Route
from research.tasks.task import Task

READ = 50_000  # characters of a field that are tokenized to count its tokens


def check_data(
    experiment: Experiment,
    tasks: Iterable[Task],
    model: Model,
    tokenizer: Tokenizer | None,
    folder: Path,
) -> DataReport:
    """The report on the tasks; parts that the folder has for the same data are reused."""
    tasks, backbone = tuple(tasks), experiment.backbone if tokenizer else None
    report = DataReport(backbone, experiment.max_tokens, (), experiment.bos)
    stored = read_data_report(folder)
    if stored and stored == replace(report, tasks=stored.tasks):
        reports = {part.checksum: part for part in stored.tasks}
    else:
        reports = {}
    room_left = room(model.config.context, 0, experiment.max_tokens)
    for task in tasks:
        if task.checksum not in reports:
            route = _route(experiment, model)
            options = {"room": room_left, "route": route, "bos": experiment.bos}
            lengths: Mapping[str, Lengths] = {}
            try:
                lengths = {} if tokenizer is None else _lengths(task, tokenizer, **options)
            except InputError:
                if not experiment.backbones:
                    raise  # of several, another one may be able to do the task
            reports[task.checksum] = task_data_report(task, lengths)
    return replace(report, tasks=tuple(reports[task.checksum] for task in tasks))


def _route(experiment: Experiment, model: Model) -> Route:
    """The route "head" if an approach may have one, so that labels need not fit the tokenizer."""
    heads = any(stage.has_head for row in experiment.approaches for stage in row.stages)
    return "head" if heads or model.ROUTE == "masked" else model.ROUTE


def _lengths(task: Task, tokenizer: Tokenizer, room: int, **options: Any) -> Mapping[str, Lengths]:
    """Lengths by split; the limit leaves room for frame and longest label, as in `run_data`."""
    encoder = answer_kind(task).encoder(tokenizer, 0, room=room, too_long="cut", **options)
    special = len(encoder.special_tokens.prefix_ids) + len(encoder.suffix_ids)
    around = special + encoder.reserved()
    prompts = {
        split: prompt_lengths(encoder, [example.fields for example in examples])
        for split, examples in {**task.splits, **task.tests}.items()
    }
    return {split: _summed(lengths, room - around) for split, lengths in prompts.items() if lengths}


def prompt_lengths(encoder: Encoder, fields: Sequence[Mapping[str, str]]) -> list[int]:
    """Tokens of each prompt; with very long fields, extrapolated from their beginnings."""
    beginnings = [{name: text[:READ] for name, text in row.items()} for row in fields]
    rows = zip(encoder.prompts(beginnings), fields, beginnings, strict=True)
    return [round(len(ids) * _ratio(whole, beginning)) for ids, whole, beginning in rows]


def _ratio(whole: Mapping[str, str], beginning: Mapping[str, str]) -> float:
    """How many times as long the fields are as their beginnings."""
    if whole == beginning:
        return 1.0
    return sum(map(len, whole.values())) / sum(map(len, beginning.values()))


def _summed(lengths: Sequence[int], most: int) -> Lengths:
    over = [row for row, length in enumerate(lengths, start=1) if length > most]
    median, high = np.quantile(lengths, (0.5, 0.95))
    too_long = FlaggedRows(len(over), tuple(over[:MOST_ROW_NUMBERS]))
    return Lengths(float(median), float(high), max(lengths), most, too_long)
