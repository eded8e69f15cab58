"""What the runs of a cell say beside their score, as texts; None where they say nothing."""

import statistics
from collections import defaultdict
from collections.abc import Callable

import numpy as np

from research.records.schema import Record
from research.reporting.format import byte_size, count
from research.reporting.grid.grid import ResultCell
from research.stats.groups import GroupScore, group_scores, seed_agreement, worst


def _mean(cell: ResultCell, value: Callable[[Record], float | None]) -> float | None:
    """The mean over the runs, None if one of them has none."""
    values = [value(run) for run in cell.runs]
    return None if None in values else statistics.fmean(values)  # pyright: ignore


def _metric(split: str, cell: ResultCell) -> float | None:
    return _mean(cell, lambda run: (run["metrics"].get(split) or {}).get(cell.headline))


def out_of_domain_score(cell: ResultCell) -> float | None:
    """The score on the test split of another domain, mean over the seeds."""
    return _metric("ood", cell)


def out_of_domain(cell: ResultCell) -> str | None:
    inside, other = _metric("test", cell), out_of_domain_score(cell)
    if inside is None or other is None:
        return None
    return f"{100 * other:.1f} ({100 * (other - inside):+.1f})"


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
    """The groups of each kind, their scores averaged over the seeds; runs of older code have but
    the labels, which stand in their predictions.
    """
    stored = [(run.get("robustness") or {}).get("groups") for run in cell.runs]
    if not all(stored):
        if not cell.runs[0]["labels"]:
            return {}
        labels, gold = cell.runs[0]["labels"], cell.predictions[0].gold
        right = np.stack([one.predicted == one.gold for one in cell.predictions])
        return {"label": group_scores(right, [labels[place] for place in gold])}
    found: dict[str, dict[str, GroupScore]] = defaultdict(dict)
    for kind, groups in stored[0].items():  # pyright: ignore
        for name, share in groups.items():
            scores = [groups[kind][name]["score"] for groups in stored]  # pyright: ignore
            found[kind][name] = GroupScore(statistics.fmean(scores), share["count"])
    return found


def train_dev_difference(cell: ResultCell) -> float | None:
    """The score on as many training as dev examples less that on dev, a fraction."""
    train, dev = _metric("train", cell), _metric("dev", cell)
    return None if train is None or dev is None else train - dev


def train_dev_gap(cell: ResultCell) -> str | None:
    found = train_dev_difference(cell)
    return None if found is None else f"{100 * found:+.1f}"


def seeds_agree(cell: ResultCell) -> str | None:
    share = seed_agreement([one.predicted for one in cell.predictions])
    return None if share is None else f"{100 * share:.1f}"


def words_agree(cell: ResultCell) -> str | None:
    share = _mean(cell, lambda run: (run.get("robustness") or {}).get("paraphrases"))
    return None if share is None else f"{100 * share:.1f}"


def forgetting(cell: ResultCell) -> str | None:
    """How much the loss on held-out text has risen."""
    found = [run.get("language_model") or {} for run in cell.runs]
    if not all(one.get("after") is not None and one.get("before") is not None for one in found):
        return None
    rise = statistics.fmean(one["after"] - one["before"] for one in found)
    stays = "" if all(one["removable"] for one in found) else " (stays)"
    return f"{rise:+.2f}{stays}"


def switching(cell: ResultCell) -> str | None:
    seconds = cell.cost("switch_seconds")
    if seconds is None:
        return None
    return f"{1000 * seconds:.2f}" if seconds < 0.01 else f"{1000 * seconds:.0f}"


def peak_memory(cell: ResultCell) -> str | None:
    bytes_ = cell.cost("peak_bytes")
    return None if bytes_ is None else byte_size(bytes_)


def flops(cell: ResultCell) -> str | None:
    flops = cell.cost("train_flops")
    return None if flops is None else count(flops)
