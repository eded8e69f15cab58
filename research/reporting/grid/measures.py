"""Measures of a cell other than its score, as text; None where they were not measured."""

import statistics
from collections import defaultdict
from collections.abc import Callable

from research.records.predictions.numbers import NumberPredictions
from research.records.schema import RunRecord
from research.reporting.format import byte_size, count
from research.reporting.grid.cell import ResultCell
from research.stats.groups import GroupScore, seed_agreement, worst


def _mean(cell: ResultCell, value: Callable[[RunRecord], float | None]) -> float | None:
    """The mean over the runs, None if one of them has none."""
    values = [value(run) for run in cell.runs]
    return None if None in values else statistics.fmean(values)  # pyright: ignore


def _metric(split: str, cell: ResultCell) -> float | None:
    return _mean(cell, lambda run: run.score(split))


def out_of_domain_score(cell: ResultCell) -> float | None:
    """The score on the test split of another domain, mean over the seeds."""
    return _metric("ood", cell)


def out_of_domain(cell: ResultCell) -> str | None:
    """The score out of domain and its difference from the test score."""
    test, other = _metric("test", cell), out_of_domain_score(cell)
    if test is None or other is None:
        return None
    return f"{100 * other:.1f} ({100 * (other - test):+.1f})"


def worst_group(cell: ResultCell) -> str | None:
    """The lowest mean over the seeds among the groups of all kinds."""
    lowest = {}
    for kind, groups in _groups(cell).items():
        name = worst(groups)
        if name is not None:
            lowest[f"{kind} {name}"] = groups[name].score
    if not lowest:
        return None
    name = min(lowest, key=lowest.__getitem__)
    return f"{100 * lowest[name]:.1f} ({name})"


def _groups(cell: ResultCell) -> dict[str, dict[str, GroupScore]]:
    """The groups of each kind, their scores averaged over the seeds."""
    by_run = [run.robustness.groups for run in cell.runs if run.robustness]
    means: dict[str, dict[str, GroupScore]] = defaultdict(dict)
    for kind, groups in by_run[0].items() if by_run else ():
        for name, group in groups.items():
            mean = statistics.fmean(groups[kind][name].score for groups in by_run)
            means[kind][name] = GroupScore(mean, group.count)
    return means


def without_answer(cell: ResultCell) -> str | None:
    """Share of the outputs in which no answer is found, over all seeds.

    Of an external model, the share of the test items that it does not answer.
    """
    shares = [
        answers.without_answer
        for answers in cell.predictions
        if not isinstance(answers, NumberPredictions)
    ]
    measured = [share for share in shares if share is not None]
    if cell.external and not measured:
        measured = [cell.not_finite / sum(len(answers.gold) for answers in cell.predictions)]
    return f"{100 * statistics.fmean(measured):.1f}" if measured else None


def train_dev_difference(cell: ResultCell) -> float | None:
    """The score on as many training as dev examples minus the dev score, as a fraction."""
    train, dev = _metric("train", cell), _metric("dev", cell)
    return None if train is None or dev is None else train - dev


def train_dev_gap(cell: ResultCell) -> str | None:
    """`train_dev_difference` in points."""
    difference = train_dev_difference(cell)
    return None if difference is None else f"{100 * difference:+.1f}"


def seeds_agree(cell: ResultCell) -> str | None:
    """Share of test items with the same answer, over all pairs of seeds."""
    share = seed_agreement([answers.predicted for answers in cell.predictions])
    return None if share is None else f"{100 * share:.1f}"


def paraphrases_agree(cell: ResultCell) -> str | None:
    """Share of test items with the same answer when paraphrased."""
    share = _mean(cell, lambda run: run.robustness and run.robustness.paraphrases)
    return None if share is None else f"{100 * share:.1f}"


def forgetting(cell: ResultCell) -> str | None:
    """Increase of the loss on held-out text."""
    rise = _mean(cell, lambda run: run.forgetting and run.forgetting.rise)
    if rise is None:
        return None
    permanent = any(run.forgetting and not run.forgetting.removable for run in cell.runs)
    return f"{rise:+.2f}{' (permanent)' if permanent else ''}"


def switching(cell: ResultCell) -> str | None:
    """Milliseconds to move the stored parameters to the devices."""
    seconds = cell.cost("switch_seconds")
    if seconds is None:
        return None
    return f"{1000 * seconds:.2f}" if seconds < 0.01 else f"{1000 * seconds:.0f}"


def peak_memory(cell: ResultCell) -> str | None:
    """Peak memory of the compiled training step."""
    bytes_ = cell.cost("peak_bytes")
    return None if bytes_ is None else byte_size(bytes_)


def flops(cell: ResultCell) -> str | None:
    """FLOPs of all training steps."""
    flops = cell.cost("train_flops")
    return None if flops is None else count(flops)
