"""Makes tasks of task files and their data."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from research.common.errors import InputError, choose_from
from research.tasks.choice_task import ChoiceTask, choice_example
from research.tasks.example import Example
from research.tasks.lm_eval.config import FilterPipeline, TaskConfig
from research.tasks.lm_eval.data import SplitRows, read_splits
from research.tasks.lm_eval.document import DocumentReader, Row, answer_index
from research.tasks.lm_eval.filters import check_pipeline
from research.tasks.lm_eval.generation import generation
from research.tasks.lm_eval.prompt import demonstrations_text, prompt_text
from research.tasks.lm_eval.sampler import DemonstrationSampler
from research.tasks.lm_eval.splits import UsedSplits, used_splits
from research.tasks.lm_eval.template import Renderer
from research.tasks.lm_eval.text_task import FIRST, FilteredTextTask
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText, Verbalizer
from research.tasks.task import Task

if TYPE_CHECKING:
    from research.tasks.lm_eval.source import LMEvalTask

COLUMN = "prompt"
# Our names of a file's metrics that can be a headline, by kind of task.
OF_LABELS = {"acc": "accuracy", "mcc": "matthews"}
OF_CHOICES = {"acc": "acc", "acc_norm": "acc_norm", "acc_bytes": "acc_bytes"}
OF_TEXTS = {"exact_match": "exact_match", "bleu": "bleu", "chrf": "chrf"}


class RowTexts(NamedTuple):
    """A row as texts.

    Attributes:
      prompt: of the row, with the demonstrations before it.
      question: the prompt without them.
      choices: its choices; none where a text is generated.
      answers: the right choice, or the correct texts.
    """

    prompt: str
    question: str
    choices: tuple[str, ...]
    answers: tuple[str, ...]


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


def build_task(settings: "LMEvalTask", config: TaskConfig) -> Task:
    """The task of a file. Raises InputError for data or values that cannot be used."""
    if config.output_type not in ("multiple_choice", "generate_until"):
        allowed = "tasks by the likelihood of a text are read, but not run"
        raise InputError("output_type", config.output_type, allowed)
    for pipeline in config.filter_list:
        check_pipeline(pipeline)
    splits = used_splits(settings, config)
    process = config.process_docs if callable(config.process_docs) else None
    tables = read_splits(config, splits.names, settings.data, process)
    with Renderer() as renderer:
        reader = DocumentReader(config, tables[splits.test].columns, renderer)
        items = _items(settings, reader, splits, tables)
    if config.output_type == "generate_until":
        return _text_task(settings, config, items)
    first = _first_metric(settings, config, {**OF_CHOICES, **OF_LABELS})
    if first in OF_LABELS and _has_labels(items):
        return _label_task(settings, config, items, OF_LABELS[first])
    return _choice_task(settings, config, items, OF_CHOICES.get(first, first))


def _items(
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
                items[use].append(_item(reader, before, row))
            except _InvalidRow as error:
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


class _InvalidRow(InputError):
    """A row without a right answer among two different choices at least, or without an answer."""


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


def _item(reader: DocumentReader, before: str, row: Row) -> RowTexts:
    question = prompt_text(reader, row)
    prompt = before + question
    has_choices = reader.config.doc_to_choice is not None
    choices = reader.choices(row) if has_choices else ()
    target: Any = reader.target(row)
    if reader.config.output_type == "multiple_choice":
        _check_choices(choices)
        return RowTexts(prompt, question, choices, (choices[_right(target, choices)],))
    if has_choices:
        return RowTexts(prompt, question, (), (choices[_right(target, choices)],))
    answers = tuple(map(str, target)) if isinstance(target, list) else (str(target),)
    if target is None or not all(answer.strip() for answer in answers) or not answers:
        raise _InvalidRow("doc_to_target", target, "the answer is empty")
    return RowTexts(prompt, question, (), answers)


def _check_choices(choices: Sequence[str]) -> None:
    """Raises _InvalidRow unless there are two choices at least, none empty and no two equal."""
    if len(choices) < 2:
        raise _InvalidRow("doc_to_choice", list(choices), "at least two choices are expected")
    for number, text in enumerate(choices):
        if not text.strip():
            raise _InvalidRow("doc_to_choice", list(choices), f"choice {number} is empty")
        if text in choices[:number]:
            allowed = f"choices {choices.index(text)} and {number} are equal"
            raise _InvalidRow("doc_to_choice", list(choices), allowed)


def _right(target: Any, choices: Sequence[str]) -> int:
    """The index of the right choice. Raises _InvalidRow where there is none."""
    try:
        return answer_index(target, choices)
    except InputError as error:
        raise _InvalidRow(error.field, error.value, error.allowed) from error


def _common_ending(prompts: Sequence[str]) -> str:
    """The white space at the end of all prompts. Raises InputError where they differ."""
    endings = {prompt[len(prompt.rstrip()) :] for prompt in prompts}
    if len(endings) > 1:
        first, second = sorted(endings)[:2]
        allowed = f"some prompts end with the white space {first!r} and others with {second!r}"
        raise InputError("doc_to_text", "a prompt", allowed)
    return next(iter(endings), "")


def _first_metric(settings: "LMEvalTask", config: TaskConfig, names: Mapping[str, str]) -> str:
    """The headline metric. Raises InputError where no metric of the file can be one."""
    if settings.metric is not None:
        if settings.metric not in names:
            raise InputError("metric", settings.metric, choose_from(names, settings.metric))
        return settings.metric
    own = [metric.name for metric in config.metrics]
    for name in own:
        if name in names:
            return name
    allowed = f"none of the file's metrics can be the headline; {choose_from(names, own[0])}"
    raise InputError("metric", own, allowed)


def _has_labels(items: TaskTexts) -> bool:
    """Whether all rows have the same choices, which are texts of labels."""
    choices = {item.choices for item in items.all}
    if len(choices) != 1:
        return False
    [texts] = choices
    return len(set(texts)) == len(texts) > 1 and all(t and t == t.strip() for t in texts)


def _shared(
    settings: "LMEvalTask", config: TaskConfig, items: TaskTexts, end: str
) -> dict[str, Any]:
    """What tasks of all kinds are made with; `end` ends an answer, in demonstrations too."""
    description = items.description.replace("{", "{{").replace("}", "}}")
    return {
        "name": settings.name,
        "templates": (Template(f"{description}{{{COLUMN}}}"),),
        "skipped": items.skipped,
        "separator": config.fewshot_delimiter.removeprefix(end),
    }


def _end(candidates: Sequence[str], texts: Sequence[str]) -> str:
    """The first candidate that no text contains; "" for none, where EOS ends a text."""
    return next((end for end in candidates if not any(end in text for text in texts)), "")


def _label_task(settings: "LMEvalTask", config: TaskConfig, items: TaskTexts, metric: str) -> Task:
    """A task whose labels are the choices of all rows."""
    labels = items.all[0].choices
    start = items.ending + config.target_delimiter
    end = _end([config.fewshot_delimiter], labels)
    examples = items.examples(lambda where, item: Example({COLUMN: item.prompt}, item.answers[0]))
    return Task(
        **_shared(settings, config, items, end),
        labels=labels,
        verbalizer=Verbalizer({text: text for text in labels}, end=end, start=start),
        metric=metric,
        **examples,
    )


def _choice_task(settings: "LMEvalTask", config: TaskConfig, items: TaskTexts, metric: str) -> Task:
    """A task whose rows have their own choices."""

    def example(where: str, item: RowTexts) -> Example:
        right = item.choices.index(item.answers[0])
        return choice_example({COLUMN: item.prompt}, item.choices, right, where)

    choices = [choice for item in items.all for choice in item.choices]
    end = _end([config.fewshot_delimiter], choices)
    return ChoiceTask(
        **_shared(settings, config, items, end),
        labels=(),
        verbalizer=FreeText(end=end, start=items.ending + config.target_delimiter),
        metric=metric,
        **items.examples(example),
    )


def _text_task(settings: "LMEvalTask", config: TaskConfig, items: TaskTexts) -> Task:
    """A task whose answers are generated."""

    def example(where: str, item: RowTexts) -> Example:
        return Example({COLUMN: item.prompt}, item.answers[0], item.answers)

    name = _first_metric(settings, config, OF_TEXTS)
    options = next((m.options for m in config.metrics if m.name == "exact_match"), {})
    how = generation(config)
    answers = [answer for item in items.all for answer in item.answers]
    end = _end([text for text in how.until if text.isspace()], answers)
    return FilteredTextTask(
        **_shared(settings, config, items, end),
        labels=(),
        verbalizer=FreeText(end=end, start=items.ending + config.target_delimiter),
        metric=OF_TEXTS[name],
        decoding=how.decoding,
        until=how.until,
        pipeline=_pipeline(settings, config),
        ignored={key: value for key, value in options.items() if key != "hf_evaluate"},
        **items.examples(example),
    )


def _pipeline(settings: "LMEvalTask", config: TaskConfig) -> FilterPipeline:
    """The filters of outputs. Raises InputError for an unknown name."""
    pipelines = {pipeline.name: pipeline for pipeline in config.filter_list} or {"none": FIRST}
    name = next(iter(pipelines)) if settings.filter is None else settings.filter
    if name not in pipelines:
        raise InputError("filter", name, choose_from(pipelines, name))
    if any(step == "multi_choice_regex" for step, _ in pipelines[name].steps):
        allowed = "its filter multi_choice_regex is read, but not run"
        raise InputError("filter", name, allowed)
    return pipelines[name]
