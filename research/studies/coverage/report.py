"""The results of the simulations as Markdown."""

from collections.abc import Mapping, Sequence
from typing import Any

ORDINARY = 0.03  # largest standard deviation over seeds for which a coverage is claimed

_ORDINARY = f"{100 * ORDINARY:.0f}"

SettingResult = dict[str, Any]  # a simulated setting and its results, see `scripts/simulate.py`

INTRODUCTION = """# Coverage of the intervals and error rates of the tests

Made by `scripts/simulate.py` from simulated answers with a known truth; the numbers are in
[simulated.json](simulated.json). Every seed answers every item. The log-odds of a right answer are
the sum of a constant of the approach, an effect of the seed and an effect of the item. The truth is
the expected accuracy over new seeds and new items. SD: standard deviation over seeds of the
accuracy on infinitely many items, in points. It is at most {ordinary} in most cells of
`results/`. The effects of items have an SD of 2.5 in log-odds.
"""


def report(results: Mapping[str, Sequence[SettingResult]]) -> str:
    """The whole page.

    results: the results of the settings of `intervals` and of `columns`.
    """
    intervals, columns = results["intervals"], results["columns"]
    equal = [column for column in columns if not column["worse_by"]]
    worse = [column for column in columns if column["worse_by"]]
    parts = (
        INTRODUCTION.format(ordinary=_ORDINARY),
        _claims(intervals, equal),
        _ours(intervals),
        _others([result for result in intervals if result["others"]]),
        _equal(equal),
        _worse(worse),
    )
    return "\n".join(parts)


def _claims(intervals: Sequence[SettingResult], equal: Sequence[SettingResult]) -> str:
    claimed = [r for r in intervals if r["seeds"] >= 5 and r["over_seeds"] <= ORDINARY]
    covered = [percentage(result["coverage"]["ours"]) for result in claimed]
    few, many = (
        percentage(max(r["false"]["ours"] for r in equal if (r["seeds"] >= 5) == enough))
        for enough in (False, True)
    )
    columns = max(result["columns"] for result in equal)
    return f"""\
- With at least 5 seeds and an SD of at most {_ORDINARY} points, 95 % intervals contain the truth in
  **{min(covered)} to {max(covered)} %** of the draws (Monte Carlo error:
  ± {_error(0.95, claimed[0]["draws"])} points).
- With at least 5 seeds, a best group wrongly excludes one of 6 or 24 equally good rows, in one
  column or in {columns}, in **at most {many} %** of the tables; with fewer seeds, in {few} %
  (± {_error(0.05, equal[0]["draws"])} points).
"""


def _ours(intervals: Sequence[SettingResult]) -> str:
    seeds = _seeds(intervals)
    rows: dict[tuple[str, ...], list[str]] = {}
    for result in intervals:
        setting = (
            f"{100 * result['accuracy']:.0f}",
            f"{100 * result['over_seeds']:.0f}",
            str(result["items"]),
        )
        rows.setdefault(setting, []).append(percentage(result["coverage"]["ours"]))
    draws = sorted({result["draws"] for result in intervals})
    errors = " or ".join(f"± {_error(0.95, count)} of {count} draws" for count in draws)
    return f"""## Coverage of our 95 % intervals

{_table(("accuracy", "SD", "items", *seeds), [[*setting, *row] for setting, row in rows.items()])}

In percent, {errors}; there are more draws with at least 5 seeds and an SD of
at most {_ORDINARY}. A score near 100 % that varies much over seeds has a skewed distribution: its
intervals are too short, whatever the number of seeds. Two or three seeds do not show how much they
vary; therefore the tables mark cells with fewer than five.
"""


def _others(intervals: Sequence[SettingResult]) -> str:
    rows, count = [], intervals[0]["others"]
    for name in intervals[0]["coverage"]:
        texts = []
        for seeds in sorted({result["seeds"] for result in intervals}):
            results = [result for result in intervals if result["seeds"] == seeds]
            covered = [result["coverage"][name] for result in results]
            width = sum(result["width"][name] for result in results) / len(results)
            texts.append(
                f"{percentage(min(covered))}–{percentage(max(covered))} ({percentage(width)})"
            )
        rows.append([name, *texts])
    return f"""## Coverage of other intervals

The minimum and maximum over all accuracies and numbers of items, for an SD of at most {_ORDINARY}
points; in brackets the mean width, in points.

{_table(("interval", *_seeds(intervals)), rows)}

The other intervals have {count} draws per setting (± {_error(0.95, count)}). Items only: the
binomial error of the mean score. Seeds only: a t interval of the scores of the seeds. The
hierarchical bootstrap draws items separately for each seed, the crossed one the same for all. Not
on log-odds: ours without the transformation to log-odds.
"""


def _equal(columns: Sequence[SettingResult]) -> str:
    rows = [
        [str(column["columns"]), *_setting(column), *map(percentage, column["false"].values())]
        for column in columns
    ]
    return f"""## Equal rows: tables in which one is excluded

In percent of the tables; {columns[0]["items"]} items, accuracy 80 %. The columns of a table share
the level of 5 %.

{_table(("columns", "rows", "seeds", "SD", *columns[0]["false"]), rows)}

Holm against the best: paired tests as if the best row had been chosen in advance, each with the
variance of its own seeds, at 5 % in each column; {columns[0]["others"]} tables.
"""


def _worse(columns: Sequence[SettingResult]) -> str:
    rows = []
    for column in columns:
        rates = zip(column["recognised"].values(), column["false"].values(), strict=True)
        texts = [f"{100 * recognised:.0f} ({100 * false:.0f})" for recognised, false in rates]
        rows.append([*_setting(column), f"{100 * column['worse_by']:.0f}", *texts])
    return f"""## Half of the rows worse: share of them that is recognised

In percent of the worse rows; in brackets, the percentage of the tables in which one of the best
rows is excluded. {columns[0]["draws"]} tables.

{_table(("rows", "seeds", "SD", "worse by", *columns[0]["false"]), rows)}
"""


def percentage(share: float) -> str:
    """The share in percent, with one decimal."""
    return f"{100 * share:.1f}"


def _error(share: float, draws: int) -> str:
    """Half the width of the 95 % interval of a share of draws, in points."""
    return percentage(1.96 * (share * (1 - share) / draws) ** 0.5)


def _seeds(results: Sequence[SettingResult]) -> list[str]:
    return [f"{seeds} seeds" for seeds in sorted({result["seeds"] for result in results})]


def _setting(result: SettingResult) -> list[str]:
    spread = ", ".join(f"{100 * over_seeds:.0f}" for over_seeds in result["over_seeds"])
    return [str(result["rows"]), str(result["seeds"]), spread]


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---:"] * len(heads), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
