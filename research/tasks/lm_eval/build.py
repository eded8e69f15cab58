"""Makes tasks of task files and their data."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from research.common.errors import InputError, choose_from
from research.tasks.choice_task import ChoiceTask, choice_example
from research.tasks.example import Example
from research.tasks.lm_eval.config import FilterPipeline, TaskConfig
from research.tasks.lm_eval.data import read_task_splits
from research.tasks.lm_eval.document import DocumentReader
from research.tasks.lm_eval.filters import check_pipeline
from research.tasks.lm_eval.generation import generation
from research.tasks.lm_eval.row_texts import RowTexts
from research.tasks.lm_eval.splits import used_splits
from research.tasks.lm_eval.task_texts import TaskTexts, task_texts
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


def build_task(settings: "LMEvalTask", config: TaskConfig) -> Task:
    """The task of a file. Raises InputError for data or values that cannot be used."""
    if config.output_type not in ("multiple_choice", "generate_until"):
        allowed = "tasks by the likelihood of a text are read, but not run"
        raise InputError("output_type", config.output_type, allowed)
    for pipeline in config.filter_list:
        check_pipeline(pipeline)
    splits = used_splits(settings, config)
    process = config.process_docs if callable(config.process_docs) else None
    tables = read_task_splits(config, splits.names, settings.data, process)
    with Renderer() as renderer:
        reader = DocumentReader(config, tables[splits.test].columns, renderer)
        items = task_texts(settings, reader, splits, tables)
    if config.output_type == "generate_until":
        return _text_task(settings, config, items)
    first = _first_metric(settings, config, {**OF_CHOICES, **OF_LABELS})
    if first in OF_LABELS and _has_labels(items):
        return _label_task(settings, config, items, OF_LABELS[first])
    return _choice_task(settings, config, items, OF_CHOICES.get(first, first))


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
    return pipelines[name]
