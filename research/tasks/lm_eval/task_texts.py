"""The rows of all splits of a task file as texts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from research.common.errors import InputError
from research.tasks.example import Example
from research.tasks.lm_eval.config import TaskConfig
from research.tasks.lm_eval.data import SplitRows
from research.tasks.lm_eval.document import DocumentReader, Row
from research.tasks.lm_eval.prompt import demonstrations_text
from research.tasks.lm_eval.row_texts import InvalidRow, RowTexts, row_texts
from research.tasks.lm_eval.sampler import DemonstrationSampler
from research.tasks.lm_eval.splits import UsedSplits

if TYPE_CHECKING:
    from research.tasks.lm_eval.source import LMEvalTask


@dataclass(frozen=True)
class TaskTexts:
    """The rows of all splits as texts.

    Attributes:
      splits: items by use: train, dev and test.
      skipped: numbers of the rows without an answer, by use.
      description: text before every prompt, which is part of the template.
      ending: white space at the end of every prompt, which is left out of them.
    """

    splits: Mapping[str, Sequence[RowTexts]]
    skipped: Mapping[str, tuple[int, ...]]
    description: str
    ending: str

    @property
    def all(self) -> list[RowTexts]:
        """The items of all splits."""
        return [item for items in self.splits.values() for item in items]

    def examples(self, make: Callable[[str, RowTexts], Example]) -> dict[str, Any]:
        """The examples of each split, `dev` too where there are none."""
        return {
            use: tuple(
                make(f"row {number} of {use}", item)
                for number, item in enumerate(self.splits.get(use, ()), start=1)
            )
            for use in ("train", "dev", "test")
        }


def task_texts(
    settings: "LMEvalTask",
    reader: DocumentReader,
    splits: UsedSplits,
    tables: Mapping[str, SplitRows],
) -> TaskTexts:
    """All rows as texts."""
    uses = {"train": splits.train, "dev": splits.dev, "test": splits.test}
    described, demonstration_reader = _FixedDescription(reader), reader.of_demonstrations()
    items: dict[str, list[RowTexts]] = {}
    skipped: dict[str, list[int]] = {}
    for use, split in uses.items():
        if split is None:
            continue
        rows = tables[split].rows
        rows = rows[: settings.most_test] if use == "test" else rows
        sampler = _sampler(settings, reader.config, splits, split, tables)
        items[use], skipped[use] = [], []
        for number, row in enumerate(rows, start=1):
            demonstrations = demonstrations_text(demonstration_reader, sampler.choose(row))
            try:
                before = described.before(row) + demonstrations
                items[use].append(row_texts(reader, before, row))
            except InvalidRow as error:
                if settings.invalid == "error":
                    allowed = f"{error.allowed}; the task's setting invalid='skip' skips such rows"
                    where = f"{error.field} of row {number} of {split}"
                    raise InputError(where, error.value, allowed) from error
                skipped[use].append(number)
            except InputError as error:
                where = f"{error.field} of row {number} of {split}"
                raise InputError(where, error.value, error.allowed) from error
    if settings.num_fewshot:  # else the task itself compares the prompts
        _leave_out_tested(items)
    ending = _common_ending([item.prompt for part in items.values() for item in part])
    bare = {
        use: [item._replace(prompt=item.prompt.rstrip()) for item in part]
        for use, part in items.items()
    }
    numbers = {use: tuple(rows) for use, rows in skipped.items() if rows}
    return TaskTexts(bare, numbers, described.fixed, ending)


def _leave_out_tested(items: dict[str, list[RowTexts]]) -> None:
    """Removes the rows of train and dev whose prompt without demonstrations is a row of test."""
    tested = {_key(item) for item in items["test"]}
    for use in ("train", "dev"):
        if use in items:
            items[use] = [item for item in items[use] if _key(item) not in tested]


def _key(item: RowTexts) -> tuple[str, ...]:
    """Equal for rows that differ in case and white space alone."""
    texts = (item.question, *sorted(item.choices))
    return tuple(" ".join(text.casefold().split()) for text in texts)


class _FixedDescription:
    """The description, which stands before all prompts where it is the same for all rows."""

    def __init__(self, reader: DocumentReader):
        value = reader.config.description
        names = reader.names("description", value) if value and value not in reader.columns else []
        self._reader = reader if names or value in reader.columns else None
        self.fixed = "" if self._reader else reader.description({})

    def before(self, row: Row) -> str:
        """The description as part of a row's prompt."""
        return self._reader.description(row) if self._reader else ""


def _sampler(
    settings: "LMEvalTask",
    config: TaskConfig,
    splits: UsedSplits,
    split: str,
    tables: Mapping[str, SplitRows],
) -> DemonstrationSampler:
    """The sampler of demonstrations for the rows of a split."""
    name = str(config.fewshot_config.get("sampler", "default"))
    if settings.num_fewshot == 0:
        return DemonstrationSampler((), 0, name, excludes=False)
    pool = splits.samples
    if pool is None:
        assert splits.fewshot is not None  # where there are no samples
        pool = tables[splits.fewshot].rows
    indices = config.fewshot_config.get("fewshot_indices")
    if indices is not None:
        raise InputError("fewshot_config.fewshot_indices", indices, "it is not supported")
    # In the harness, rows are also left out where neither split is named.
    excludes = splits.excludes if split == splits.test else split == splits.fewshot
    return DemonstrationSampler(pool, settings.num_fewshot, name, excludes)


def _common_ending(prompts: Sequence[str]) -> str:
    """The white space at the end of all prompts. Raises InputError where they differ."""
    endings = {prompt[len(prompt.rstrip()) :] for prompt in prompts}
    if len(endings) > 1:
        first, second = sorted(endings)[:2]
        allowed = f"some prompts end with the white space {first!r} and others with {second!r}"
        raise InputError("doc_to_text", "a prompt", allowed)
    return next(iter(endings), "")
