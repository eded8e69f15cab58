"""Messages of the data report."""

from collections.abc import Iterator

from research.tasks.data_checks.checks import GRAM, MOST
from research.tasks.data_checks.report import SplitReport, TaskDataReport

UNEVEN = 10  # ratio of the most frequent to the rarest label from which labels are uneven


def report_summary(report: TaskDataReport) -> str:
    """One line per task: rows per split, rarest and most frequent label, prompt lengths."""
    rows = ", ".join(f"{split} {part.rows:,}" for split, part in report.parts.items())
    train = report.parts["train"]
    parts = [f"{report.task}: {rows} rows"]
    if train.labels:
        low, high = min(train.labels.values()), max(train.labels.values())
        shares = f"{100 * low / train.rows:.1f} to {100 * high / train.rows:.1f} %"
        parts.append(f"{len(train.labels)} labels with {shares} of train")
    lengths = [part.lengths for part in report.parts.values() if part.lengths]
    if lengths:
        longest = max(split.longest for split in lengths)
        parts.append(f"prompts of up to {longest} tokens, {lengths[0].most} fit")
    return "; ".join(parts)


def warnings(report: TaskDataReport) -> list[str]:
    """Problems in the data, one phrase each, by split."""
    return [warning for split, part in report.parts.items() for warning in _warnings(split, part)]


def _warnings(split: str, part: SplitReport) -> Iterator[str]:
    if part.skipped.count:
        numbers = ", ".join(map(str, part.skipped.rows))
        more = ", ..." if part.skipped.count > len(part.skipped.rows) else ""
        count = f"{part.skipped.count} of {part.rows + part.skipped.count} rows of {split}"
        yield f"{count} are skipped since a cell is empty or wrong: {numbers}{more}"
    yield from _labels(split, part)
    for rows, problem in (
        (part.shared, "have a text that is also in train or dev, where it is never drawn"),
        (part.mostly, f"share {100 * MOST:.0f} % of their {GRAM}-grams with train or dev"),
        (part.repeated, "repeat an earlier text"),
        (part.conflicting, "have the words of another row but a different label"),
        (part.nearly, "are near duplicates of another row with a different label"),
    ):
        if rows.count:
            yield f"{rows.count} of {part.rows} rows of {split} {problem}"
    for kind, rows in part.personal.items():
        yield f"{rows.count} rows of {split} seem to hold {kind}"
    if part.lengths and part.lengths.over.count:
        yield (
            f"{part.lengths.over.count} of {part.rows} prompts of {split} are longer than the "
            f"{part.lengths.most} tokens that fit"
        )


def _labels(split: str, part: SplitReport) -> Iterator[str]:
    counts = part.labels.values()
    missing = sum(count == 0 for count in counts)
    if missing:
        yield f"{missing} of {len(counts)} labels have no row in {split}"
    elif counts and max(counts) >= UNEVEN * min(counts):
        yield f"the labels of {split} have {min(counts)} to {max(counts)} rows"
