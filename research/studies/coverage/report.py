"""What simulations say of the statistics, in Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

ORDINARY = 0.03  # the largest standard deviation over seeds of which something is claimed

_ORDINARY = f"{100 * ORDINARY:.0f}"

Found = dict[str, Any]  # a setting and what came of it, as `scripts/simulate.py` writes it

INTRODUCTION = """# How often the statistics of the tables are right

Made by `scripts/simulate.py`; the numbers are in [simulated.json](simulated.json). Every seed
answers every item, right with log-odds that are the approach's, the seed's and the item's; the
truth is the accuracy to be expected over new seeds and new items. SD: the standard deviation over
seeds of the accuracy on endless items, in points; half of the cells in `results/` that differ over
seeds have 1.1 or less, three of four 3.1 or less. Items differ by an SD of 2.5 in log-odds.
"""


def report(found: Mapping[str, Sequence[Found]]) -> str:
    """The whole page. found: `intervals` and `columns`."""
    intervals, columns = found["intervals"], found["columns"]
    equal = [one for one in columns if not one["worse_by"]]
    worse = [one for one in columns if one["worse_by"]]
    parts = (
        INTRODUCTION,
        _claims(intervals, equal),
        _ours(intervals),
        _others([one for one in intervals if one["others"]]),
        _equal(equal),
        _worse(worse),
    )
    return "\n".join(parts)


def _claims(intervals: Sequence[Found], equal: Sequence[Found]) -> str:
    claimed = [one for one in intervals if one["seeds"] >= 5 and one["over_seeds"] <= ORDINARY]
    covered = [percentage(one["coverage"]["ours"]) for one in claimed]
    few, many = (
        percentage(max(one["false"]["ours"] for one in equal if (one["seeds"] >= 5) == enough))
        for enough in (False, True)
    )
    columns = max(one["columns"] for one in equal)
    return f"""\
- From 5 seeds on, at an SD of {_ORDINARY} points or less, 95 % intervals have the truth in
  **{min(covered)} to {max(covered)} %** of the draws (Monte Carlo error:
  ± {_error(0.95, claimed[0]["draws"])} points).
- Of 6 or of 24 rows that are equally good, in one column or in {columns}, one is wrongly left out
  of the best group in **at most {many} %** of the tables from 5 seeds on, in {few} % with fewer
  (± {_error(0.05, equal[0]["draws"])} points).
"""


def _ours(intervals: Sequence[Found]) -> str:
    seeds = _seeds(intervals)
    rows: dict[tuple[str, ...], list[str]] = {}
    for one in intervals:
        setting = (
            f"{100 * one['accuracy']:.0f}",
            f"{100 * one['over_seeds']:.0f}",
            str(one["items"]),
        )
        rows.setdefault(setting, []).append(percentage(one["coverage"]["ours"]))
    draws = sorted({one["draws"] for one in intervals})
    errors = " or ".join(f"± {_error(0.95, count)} of {count} draws" for count in draws)
    return f"""## Coverage of our 95 % intervals

{_table(("accuracy", "SD", "items", *seeds), [[*setting, *row] for setting, row in rows.items()])}

In percent, {errors}; the more draws from 5 seeds on at an SD of
{_ORDINARY} or less. A score close to its ceiling that varies a lot over seeds is skewed: there
intervals are too short, whatever the number of seeds. Two or three seeds tell too little of how
much they vary; hence cells of fewer than five are marked in the tables.
"""


def _others(intervals: Sequence[Found]) -> str:
    rows, count = [], intervals[0]["others"]
    for name in intervals[0]["coverage"]:
        texts = []
        for seeds in sorted({one["seeds"] for one in intervals}):
            found = [one for one in intervals if one["seeds"] == seeds]
            covered = [one["coverage"][name] for one in found]
            width = sum(one["width"][name] for one in found) / len(found)
            texts.append(
                f"{percentage(min(covered))}–{percentage(max(covered))} ({percentage(width)})"
            )
        rows.append([name, *texts])
    return f"""## Coverage of other intervals

The least and the greatest over all accuracies and numbers of items, at an SD of {_ORDINARY} points
or less; in brackets the mean width, in points.

{_table(("interval", *_seeds(intervals)), rows)}

Others are of {count} draws in each setting (± {_error(0.95, count)}). Items only: the binomial
error of the mean score. Seeds only: a t interval of the scores of the seeds. The hierarchical
bootstrap draws items for each seed anew, the crossed one the same for all. Not on log-odds: ours,
but on the scale of scores.
"""


def _equal(columns: Sequence[Found]) -> str:
    rows = [
        [str(one["columns"]), *_setting(one), *map(percentage, one["false"].values())]
        for one in columns
    ]
    return f"""## Equal rows: how often one is left out

In percent of the tables; {columns[0]["items"]} items, accuracy 80 %. The columns of a table share
the level of 5 %.

{_table(("columns", "rows", "seeds", "SD", *columns[0]["false"]), rows)}

Holm against the best: paired tests as if the best had been named beforehand, each with the
variance of its own seeds, 5 % in each column; of {columns[0]["others"]} tables.
"""


def _worse(columns: Sequence[Found]) -> str:
    rows = []
    for one in columns:
        both = zip(one["recognised"].values(), one["false"].values(), strict=True)
        texts = [f"{100 * recognised:.0f} ({100 * false:.0f})" for recognised, false in both]
        rows.append([*_setting(one), f"{100 * one['worse_by']:.0f}", *texts])
    return f"""## Half of the rows worse: which share of them is recognised

In percent of the worse rows; in brackets, in which percentage of the tables one of the best is left
out. Of {columns[0]["draws"]} tables.

{_table(("rows", "seeds", "SD", "worse by", *columns[0]["false"]), rows)}
"""


def percentage(share: float) -> str:
    return f"{100 * share:.1f}"


def _error(share: float, draws: int) -> str:
    """Half of the 95 % interval of a share of draws, in points."""
    return percentage(1.96 * (share * (1 - share) / draws) ** 0.5)


def _seeds(found: Sequence[Found]) -> list[str]:
    return [f"{seeds} seeds" for seeds in sorted({one["seeds"] for one in found})]


def _setting(one: Found) -> list[str]:
    spread = ", ".join(f"{100 * over_seeds:.0f}" for over_seeds in one["over_seeds"])
    return [str(one["rows"]), str(one["seeds"]), spread]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---:"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
