"""The dry run of an experiment as a table."""

from collections.abc import Callable, Sequence

import numpy as np

from research.common.durations import duration
from research.records.data_report import report_lines
from research.reporting.format import (
    MISSING,
    RANGE,
    byte_size,
    counted,
    rates_note,
    spread,
    tried_rates,
)
from research.reporting.table import Table, TableCell, add_notes
from research.reporting.tables.money_columns import money
from research.runs.costs.parameter_counts import ParameterCounts
from research.runtime.device_kinds import device_kind
from research.sweeps.dry_run.dry_run import DryRun
from research.sweeps.dry_run.requests import Requests
from research.sweeps.dry_run.row import DryRunRow
from research.sweeps.dry_run.sampled_rows import ASSUMED

Heads = tuple[tuple[str, str], ...]

HEADS: Heads = (
    ("", "runs"),
    ("", "cohorts"),
    ("", "programs"),
    ("trained", "parameters"),
    ("share", "of all"),
    ("of the", "head"),
    ("stored", "per task"),
    ("training", "time"),
    ("scoring", "time"),
    ("encoding", "time"),
    ("compiling", "time"),
)
REQUEST_HEADS: Heads = (("", "requests"), ("prompt", "tokens"), ("answer", "tokens"))
MONEY_HEADS: Heads = (("", "money"),)
SHARED = 0.8  # share of the cores' time below which other programs have the rest


def dry_run_tables(dry_runs: Sequence[DryRun]) -> list[Table]:
    """A table for each backbone; with several, the last one says what all need together."""
    tables = [dry_run_table(dry_run) for dry_run in dry_runs]
    if len(tables) < 2:
        return tables
    runs = sum(row.runs for dry_run in dry_runs for row in dry_run.rows)
    seconds = duration(sum(dry_run.seconds for dry_run in dry_runs))
    memory = byte_size(max(dry_run.memory for dry_run in dry_runs))
    disk = byte_size(sum(dry_run.disk for dry_run in dry_runs))
    note = (
        f"All {len(dry_runs)} backbones, one after the other: {runs:,} runs, about {seconds} in "
        f"all, {memory} of memory and {disk} of disk space."
    )
    return add_notes(tables, [note])


def dry_run_table(dry_run: DryRun) -> Table:
    """A row for each approach, the total, and notes."""
    name, backbone, requests = dry_run.name, dry_run.backbone, dry_run.requests
    priced = any(row.requests and row.requests.price is not None for row in dry_run.rows)
    heads = HEADS + (REQUEST_HEADS if requests else ()) + (MONEY_HEADS if priced else ())
    rows = {row.approach: (*_line(row), *_request_texts(row.requests)) for row in dry_run.rows}
    total = (*_total(dry_run.rows), *_request_texts(requests))
    return Table(
        title=f"{name}: the plan for {backbone} of {dry_run.parameters:,} parameters",
        heads=heads,
        scores=len(heads),
        rows=tuple((row, _entries(texts[: len(heads)])) for row, texts in rows.items()),
        baselines=(("total", _entries(total[: len(heads)])),),
        notes=tuple(_notes(dry_run)),
    )


def _request_texts(requests: Requests | None) -> tuple[str, ...]:
    """The cells of `REQUEST_HEADS` and `MONEY_HEADS`."""
    if requests is None:
        return ("",) * len((*REQUEST_HEADS, *MONEY_HEADS))
    price = MISSING if requests.price is None else money(requests.price)
    return (*_counts(requests.count, requests.prompt_tokens, requests.answer_tokens), price)


def _entries(texts: Sequence[str]) -> tuple[TableCell, ...]:
    return tuple(map(TableCell, texts))


def _line(row: DryRunRow) -> tuple[str, ...]:
    return (
        *_counts(row.runs, row.cohorts, len(row.programs)),
        _range(row.sizes, lambda counts: counts.trained - counts.head, "{:,}".format),
        _range(row.sizes, lambda counts: 100 * counts.share, percent_of),
        _range(row.sizes, lambda counts: counts.head, "{:,}".format),
        _range(row.sizes, lambda counts: counts.stored_bytes, byte_size),
        *map(duration, (row.training, row.scoring, row.encoding, row.compiling)),
    )


def _total(rows: Sequence[DryRunRow]) -> tuple[str, ...]:
    """The total over approaches; shared programs count once."""
    programs = frozenset().union(*(row.programs for row in rows))
    counts = _counts(sum(r.runs for r in rows), sum(r.cohorts for r in rows), len(programs))
    seconds = [
        sum(row.training for row in rows),
        sum(row.scoring for row in rows),
        sum(row.encoding for row in rows),
        sum(row.compiling for row in rows),
    ]
    return (*counts, "", "", "", "", *map(duration, seconds))


def _notes(dry_run: DryRun) -> list[str]:
    recorded = sum(row.recorded for row in dry_run.rows)
    notes = [
        "Trained: parameters without a classification head; share: of all parameters. Programs: "
        "compiled training steps, one for each width of rows.",
        f"About {duration(dry_run.seconds)} in all, {_place(dry_run)}, without early stopping, "
        f"{duration(dry_run.checking)} of these to check all rows before the first run. The "
        "columns have the time of all runs one after the other, at "
        f"{dry_run.machine.flops / 1e9:,.0f} GFLOP/s of a large matrix product.",
        f"About {byte_size(dry_run.memory)} of memory{_states(dry_run)} and "
        f"{byte_size(dry_run.disk)} of disk space are needed.{_too_large(dry_run)}",
        *rates_note({row.approach: tried_rates(row.trials) for row in dry_run.rows}),
    ]
    if dry_run.machine.cpu_share < SHARED:
        notes.append(
            f"Other programs use the cores, of which the measurement of the speed had "
            f"{100 * dry_run.machine.cpu_share:.0f} %; the plan is for idle cores."
        )
    if recorded:
        notes.append(f"For {recorded} of the runs, times are those of stored records.")
    if dry_run.paced_by:
        cells = counted(dry_run.paced_by, "cell")
        notes.append(f"Other times follow the speed of stored runs on this machine, in {cells}.")
    notes += _answer_notes(dry_run)
    if dry_run.assumed:
        names = ", ".join(dry_run.assumed)
        notes.append(f"Assumed length of texts that are not downloaded, {ASSUMED} tokens: {names}.")
    notes += [f"{approach} is not run: {reason}" for approach, reason in dry_run.refused]
    return [*notes, *report_lines(dry_run.data_report)]


def _answer_notes(dry_run: DryRun) -> list[str]:
    """Notes on the lengths of generated texts and on requests to servers."""
    notes: list[str] = []
    if any(row.generates for row in dry_run.rows):
        notes.append(
            "Generated texts count as long as they may be, after training as long as the longest "
            "target of train."
        )
    if (requests := dry_run.requests) is not None:
        stored = f", {requests.stored:,} others have stored replies" if requests.stored else ""
        notes.append(
            f"Equal requests are sent once{stored}. They take about {duration(requests.seconds)}. "
            "Prompt tokens are those of the backbone's tokenizer, and answers count as long as "
            "they may be."
        )
    return notes


def _place(dry_run: DryRun) -> str:
    if dry_run.device is not None:
        return f"on one {dry_run.device} by its data sheet"
    workers = dry_run.machine.workers
    return f"here with {workers} runs at a time" if workers > 1 else "here with one run at a time"


def _states(dry_run: DryRun) -> str:
    """How much of the memory is for hidden states, if any is."""
    return f" ({byte_size(dry_run.states)} of it for hidden states)" if dry_run.states else ""


def _too_large(dry_run: DryRun) -> str:
    """A sentence where the memory of the device is too small."""
    if dry_run.device is None:
        return ""
    memory = device_kind(dry_run.device).memory
    short = dry_run.memory > memory
    return f" {dry_run.device} has {byte_size(memory)}, which is less." if short else ""


def percent_of(number: float) -> str:
    """A percentage with three significant digits."""
    digits = np.format_float_positional(number, precision=3, fractional=False, trim="-")
    return f"{digits} %"


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
