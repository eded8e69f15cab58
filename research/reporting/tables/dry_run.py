"""The dry run of an experiment as a table."""

from collections.abc import Callable, Sequence

import numpy as np

from research.records.data_report import report_lines
from research.reporting.format import MISSING, RANGE, byte_size, spread
from research.reporting.table import Table, TableCell
from research.runs.costs.parameter_counts import ParameterCounts
from research.sweeps.dry_run import DryRun, DryRunRow
from research.sweeps.time_estimate import ASSUMED

HEADS = (
    ("", "runs"),
    ("", "cohorts"),
    ("", "programs"),
    ("trained", "parameters"),
    ("share", "of all"),
    ("of the", "head"),
    ("stored", "per task"),
    ("training", "time"),
)


def dry_run_table(dry_run: DryRun) -> Table:
    """A row for each approach, the total, and notes."""
    name, backbone = dry_run.name, dry_run.backbone
    return Table(
        title=f"{name}: the plan for {backbone} of {dry_run.parameters:,} parameters",
        heads=HEADS,
        scores=len(HEADS),
        rows=tuple((row.approach, _entries(_line(row))) for row in dry_run.rows),
        baselines=(("total", _entries(_total(dry_run.rows))),),
        notes=tuple(_notes(dry_run)),
    )


def _entries(texts: Sequence[str]) -> tuple[TableCell, ...]:
    return tuple(map(TableCell, texts))


def _line(row: DryRunRow) -> tuple[str, ...]:
    return (
        *_counts(row.runs, row.cohorts, len(row.programs)),
        _range(row.sizes, lambda counts: counts.trained - counts.head, "{:,}".format),
        _range(row.sizes, lambda counts: 100 * counts.share, percent_of),
        _range(row.sizes, lambda counts: counts.head, "{:,}".format),
        _range(row.sizes, lambda counts: counts.stored_bytes, byte_size),
        duration(row.seconds),
    )


def _total(rows: Sequence[DryRunRow]) -> tuple[str, ...]:
    """The total over approaches; shared programs count once."""
    programs = frozenset().union(*(row.programs for row in rows))
    counts = _counts(sum(r.runs for r in rows), sum(r.cohorts for r in rows), len(programs))
    return (*counts, "", "", "", "", duration(sum(row.seconds for row in rows)))


def _notes(dry_run: DryRun) -> list[str]:
    recorded = sum(row.recorded for row in dry_run.rows)
    notes = [
        "Trained: parameters without a classification head; share: of all parameters. Programs: "
        "compiled training steps, one for each width of rows.",
        "Training time is an estimate for all steps, without compilation, scoring and early "
        f"stopping, at {dry_run.flops / 1e9:,.0f} GFLOP/s, the speed of a matrix product on one "
        "device here.",
    ]
    if recorded:
        notes.append(f"For {recorded} of the runs, times are those of stored records.")
    if dry_run.assumed:
        names = ", ".join(dry_run.assumed)
        notes.append(f"Assumed length of texts that are not downloaded, {ASSUMED} tokens: {names}.")
    return [*notes, *report_lines(dry_run.surveys)]


def percent_of(number: float) -> str:
    """A percentage with three significant digits."""
    digits = np.format_float_positional(number, precision=3, fractional=False, trim="-")
    return f"{digits} %"


def duration(seconds: float) -> str:
    """`0 s`, `42 s`, `7.5 min`, `3.2 h`, `12 days`."""
    for unit, length, limit in (("s", 1, 120), ("min", 60, 7200), ("h", 3600, 172_800)):
        if seconds < limit:
            return f"{seconds / length:.{0 if unit == 's' else 1}f} {unit}"
    return f"{seconds / 86_400:,.1f} days"


def _counts(*numbers: int) -> tuple[str, ...]:
    return tuple(f"{number:,}" for number in numbers)


def _range(
    sizes: Sequence[ParameterCounts],
    value: Callable[[ParameterCounts], float],
    text: Callable[[float], str],
) -> str:
    """The lowest and the highest value."""
    if not sizes:
        return MISSING
    return RANGE.join(dict.fromkeys(map(text, spread([value(counts) for counts in sizes]))))
