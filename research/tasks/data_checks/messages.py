"""What a survey says, in few words."""

from collections.abc import Iterator

from research.tasks.data_checks.checks import GRAM, MOST, Part, TaskDataReport

UNEVEN = 10  # times as many examples of one label as of another


def report_summary(survey: TaskDataReport) -> str:
    """A task on one line: rows of each split, the least and most frequent label, lengths."""
    rows = ", ".join(f"{split} {part.rows:,}" for split, part in survey.parts.items())
    train = survey.parts["train"]
    said = [f"{survey.task}: {rows} rows"]
    if train.labels:
        low, high = min(train.labels.values()), max(train.labels.values())
        shares = f"{100 * low / train.rows:.1f} to {100 * high / train.rows:.1f} %"
        said.append(f"{len(train.labels)} labels with {shares} of train")
    found = [part.lengths for part in survey.parts.values() if part.lengths]
    if found:
        longest = max(lengths.longest for lengths in found)
        said.append(f"prompts of up to {longest} tokens, {found[0].most} fit")
    return "; ".join(said)


def warnings(survey: TaskDataReport) -> list[str]:
    """What a reader of scores has to know; one phrase each, by split."""
    return [warning for split, part in survey.parts.items() for warning in _of(split, part)]


def _of(split: str, part: Part) -> Iterator[str]:
    yield from _labels(split, part)
    for found, what in (
        (part.shared, "have a text of train or dev, which draws leave out there"),
        (part.mostly, f"share {100 * MOST:.0f} % of their {GRAM}-grams with train or dev"),
        (part.repeated, "repeat an earlier text"),
        (part.conflicting, "have the words of another row and not its label"),
        (part.nearly, "are nearly the same as another row and have not its label"),
    ):
        if found.count:
            yield f"{found.count} of {part.rows} rows of {split} {what}"
    for kind, found in part.personal.items():
        yield f"{found.count} rows of {split} seem to hold {kind}"
    if part.lengths and part.lengths.over.count:
        yield (
            f"{part.lengths.over.count} of {part.rows} prompts of {split} are longer than the "
            f"{part.lengths.most} tokens that fit"
        )


def _labels(split: str, part: Part) -> Iterator[str]:
    counts = part.labels.values()
    missing = sum(count == 0 for count in counts)
    if missing:
        yield f"{missing} of {len(counts)} labels have no row in {split}"
    elif counts and max(counts) >= UNEVEN * min(counts):
        yield f"the labels of {split} have {min(counts)} to {max(counts)} rows"
