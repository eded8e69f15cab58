"""Columns of costs in money."""

from functools import partial

from research.experiments.prices import Prices
from research.records.schema import RunRecord
from research.reporting.grid.cell import ResultCell
from research.reporting.tables.column import Column, median_of, median_text

HOUR = 3600  # seconds


def money_columns(prices: Prices, several: bool = False, charged: bool = False) -> list[Column]:
    """The columns of costs in money, for the prices that are known.

    Args:
        prices: the prices.
        several: whether the rows have several backbones, so that answers cost differently.
        charged: whether external models charge for answers.
    """
    columns = []
    if (hour := prices.per_hour) is not None:

        def one_run(run: RunRecord) -> float | None:
            spent = run.costs.all_train_seconds
            return None if spent is None else hour * spent * run.device_count / HOUR

        def all_runs(cell: ResultCell) -> str | None:
            median = median_of(cell, one_run)
            return None if median is None else money(median * cell.ran)

        note = (
            f"Money: {hour:g} per device hour of training, scoring dev and compilation, for one "
            "run and for all runs of the cell (their number times the median)."
        )
        columns += [
            Column("money", "one run", partial(median_text, one_run, money), note),
            Column("money", "all runs", all_runs),
        ]
    if charged or (several and hour is not None):
        spent = [] if hour is None else [f"the time to score test at {hour:g} per device hour"]
        spent += ["what an external model charges, mean over the test items"] if charged else []
        note = f"Money of 1,000 answers: {'; '.join(spent)}."
        columns.append(Column("money", "1,000 answers", partial(_answers_money, hour), note))
    if (example := prices.per_example) is not None:

        def labels(run: RunRecord) -> float | None:
            return example * (run.n_train + run.notes.n_dev)

        note = f"Labels: {example:g} per training and dev example; test examples are not counted."
        columns.append(Column("money", "labels", partial(median_text, labels, money), note))
    return columns


def _answers_money(hour: float | None, cell: ResultCell) -> str | None:
    """Money of 1,000 answers: of a backbone at a price per device hour, or as charged."""
    if (price := median_of(cell, lambda run: run.costs.request_price)) is not None:
        return money(1000 * price)
    milliseconds = cell.cost("milliseconds")  # of one answer, and so the seconds of 1,000
    if hour is None or milliseconds is None or cell.runs[0].backbone is None:
        return None
    return money(hour * milliseconds * cell.runs[0].device_count / HOUR)


def money(amount: float) -> str:
    """Three digits below 1, else two decimals: `0.00123`, `12.50`."""
    return f"{amount:.3g}" if amount < 1 else f"{amount:,.2f}"
