"""The keys of a task file, as lm-evaluation-harness defines them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any, NamedTuple

from research.common.errors import InputError, choose_from
from research.tasks.lm_eval.yaml_file import Function

OUTPUT_TYPES = ("multiple_choice", "generate_until", "loglikelihood", "loglikelihood_rolling")
# Keys about names and groups, which change no prompt and no score.
NAMING = ("tag", "group", "task_alias", "group_alias", "task_list", "aggregate_metric_list")
DEFAULT_METRICS = {
    "multiple_choice": ("acc", "acc_norm"),
    "generate_until": ("exact_match",),
    "loglikelihood": ("perplexity", "acc"),
    "loglikelihood_rolling": ("word_perplexity", "byte_perplexity", "bits_per_byte"),
}
FEWSHOT_KEYS = (
    "sampler",
    "split",
    "samples",
    "process_docs",
    "fewshot_indices",
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "gen_prefix",
    "fewshot_delimiter",
    "target_delimiter",
)


class Metric(NamedTuple):
    """An entry of `metric_list`.

    Attributes:
      name: of the metric.
      options: its other keys, such as `ignore_case`.
      aggregation: from the values of items to a score; None for the metric's own.
    """

    name: str
    options: Mapping[str, Any]
    aggregation: str | None


class FilterPipeline(NamedTuple):
    """An entry of `filter_list`.

    Attributes:
      name: of the pipeline.
      steps: (function, its arguments), in order.
    """

    name: str
    steps: tuple[tuple[str, Mapping[str, Any]], ...]


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """The declarative keys of a task file; the defaults are those of lm-evaluation-harness.

    A value may be a `Function`, see `research.tasks.lm_eval.refusals`.

    Attributes:
      task: name.
      dataset_path: hub id, folder, or a format of files such as `json`.
      dataset_name: configuration of the dataset.
      dataset_kwargs: further arguments of `datasets.load_dataset`.
      custom_dataset: function that makes the dataset.
      training_split: split to train on.
      validation_split: split to evaluate where there is no `test_split`.
      test_split: split to evaluate.
      fewshot_split: split of the demonstrations.
      process_docs: function over the rows of a split.
      doc_to_text: a column, a template or an index; the prompt of a row.
      doc_to_target: a column, a template, an index or a list; the answer of a row.
      doc_to_choice: a column, a template, a list or a mapping; the choices of a row.
      doc_to_image: images of a row.
      doc_to_audio: sounds of a row.
      process_results: function from outputs to the values of metrics.
      use_prompt: name of a prompt of promptsource.
      unsafe_code: whether a metric runs generated programs.
      output_type: what is asked of the model.
      description: a column or a template; text that stands before the demonstrations.
      target_delimiter: text between prompt and answer.
      fewshot_delimiter: text after a demonstration.
      fewshot_config: settings of the demonstrations that differ from those of rows.
      num_fewshot: number of demonstrations; None for 0.
      gen_prefix: a column or a template; text with which an answer begins, as part of the prompt.
      generation_kwargs: settings of generation.
      filter_list: what is done with an output before it is scored.
      metric_list: metrics; None for those of the output type.
      repeats: number of outputs of a row.
      should_decontaminate: whether the harness searches its training data for the rows.
      doc_to_decontamination_query: text of a row for this search.
      metadata: `version` and others, without an effect on scores.
    """

    task: str
    dataset_path: str | None = None
    dataset_name: str | None = None
    dataset_kwargs: Mapping[str, Any] = field(default_factory=dict)
    custom_dataset: Any = None
    training_split: str | None = None
    validation_split: str | None = None
    test_split: str | None = None
    fewshot_split: str | None = None
    process_docs: Any = None
    doc_to_text: Any = None
    doc_to_target: Any = None
    doc_to_choice: Any = None
    doc_to_image: Any = None
    doc_to_audio: Any = None
    process_results: Any = None
    use_prompt: str | None = None
    unsafe_code: bool = False
    output_type: str = "generate_until"
    description: Any = ""
    target_delimiter: str = " "
    fewshot_delimiter: str = "\n\n"
    fewshot_config: Mapping[str, Any] = field(default_factory=dict)
    num_fewshot: int | None = None
    gen_prefix: Any = None
    generation_kwargs: Mapping[str, Any] = field(default_factory=dict)
    filter_list: tuple[FilterPipeline, ...] = ()
    metric_list: tuple[Metric, ...] = ()
    repeats: int = 1
    should_decontaminate: bool = False
    doc_to_decontamination_query: Any = None
    metadata: Any = None

    @property
    def test(self) -> str | None:
        """The split that is evaluated."""
        return self.test_split or self.validation_split

    @property
    def version(self) -> str:
        """The version in the metadata; "" for none."""
        entries = self.metadata if isinstance(self.metadata, list) else [self.metadata]
        mappings = [entry for entry in entries if isinstance(entry, dict)]
        versions = [entry["version"] for entry in mappings if "version" in entry]
        return str(versions[0]) if versions else ""

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The metrics of the task, or those of its output type."""
        names = DEFAULT_METRICS[self.output_type]
        return self.metric_list or tuple(Metric(name, {}, None) for name in names)


KEYS = tuple(f.name for f in fields(TaskConfig))
_TEXTS = (str, Function)
_TYPES: dict[str, tuple[tuple[type, ...], str]] = {
    "doc_to_text": ((*_TEXTS, int), "a column, a template or an index"),
    "doc_to_target": ((*_TEXTS, int, list), "a column, a template, an index or a list"),
    "doc_to_choice": ((*_TEXTS, list, dict), "a column, a template or a list"),
    "doc_to_image": ((*_TEXTS, list), "a column or a list of columns"),
    "doc_to_audio": ((*_TEXTS, list), "a column or a list of columns"),
    "doc_to_decontamination_query": (_TEXTS, "a column or a template"),
    "description": (_TEXTS, "a text"),
    "gen_prefix": (_TEXTS, "a text"),
    "custom_dataset": ((Function,), "a `!function`"),
    "process_docs": ((Function,), "a `!function`"),
    "process_results": (_TEXTS, "a `!function`"),
    "dataset_kwargs": ((dict,), "a mapping"),
    "fewshot_config": ((dict,), "a mapping"),
    "generation_kwargs": ((dict,), "a mapping"),
    "metric_list": ((list,), "a list of mappings"),
    "filter_list": ((list,), "a list of mappings"),
    "num_fewshot": ((int,), "a whole number"),
    "repeats": ((int,), "a whole number"),
    "unsafe_code": ((bool,), "true or false"),
    "should_decontaminate": ((bool,), "true or false"),
    "metadata": ((object,), "a mapping"),
}


def read_task_config(values: Mapping[str, Any], where: str) -> TaskConfig:
    """The keys of a task file with its includes.

    Raises InputError for a key that is not read, a value of another type, and a missing name.

    Args:
      values: keys and values.
      where: the file, for messages.
    """
    unknown = [key for key in values if key not in (*KEYS, *NAMING)]
    if unknown:
        raise InputError(f"key of {where}", unknown[0], choose_from((*KEYS, *NAMING), unknown[0]))
    options: dict[str, Any] = {}
    for key in KEYS:
        value = values.get(key)
        if value is None:
            continue  # the harness's default
        types, expected = _TYPES.get(key, ((str,), "a text"))
        if not isinstance(value, types) or (isinstance(value, Function) and Function not in types):
            raise InputError(f"{key} of {where}", value, f"{expected} is expected")
        options[key] = value
    if not options.get("task"):
        raise InputError(f"task of {where}", None, "the name of the task is expected")
    if options.get("output_type", "generate_until") not in OUTPUT_TYPES:
        allowed = f"allowed are {', '.join(OUTPUT_TYPES)}"
        raise InputError(f"output_type of {where}", options["output_type"], allowed)
    for key in ("num_fewshot", "repeats"):
        if options.get(key, 1) < (0 if key == "num_fewshot" else 1):
            raise InputError(f"{key} of {where}", options[key], "a positive number is expected")
    for key in options.get("fewshot_config", {}):
        if key not in FEWSHOT_KEYS:
            field_ = f"key of fewshot_config of {where}"
            raise InputError(field_, key, choose_from(FEWSHOT_KEYS, key))
    options["metric_list"] = _metrics(options.get("metric_list", []), where)
    options["filter_list"] = _filters(options.get("filter_list", []), where)
    return TaskConfig(**options)


def _metrics(entries: list[Any], where: str) -> tuple[Metric, ...]:
    metrics = []
    for entry in entries:
        if not isinstance(entry, dict) or "metric" not in entry:
            allowed = "each entry is a mapping such as `metric: acc`"
            raise InputError(f"metric_list of {where}", entry, allowed)
        own = ("metric", "aggregation", "higher_is_better")
        options = {key: value for key, value in entry.items() if key not in own}
        metrics.append(Metric(entry["metric"], options, entry.get("aggregation")))
    return tuple(metrics)


def _filters(entries: list[Any], where: str) -> tuple[FilterPipeline, ...]:
    pipelines = []
    for entry in entries:
        steps = entry.get("filter") if isinstance(entry, dict) else None
        whole = isinstance(steps, list) and steps and "name" in entry
        if not whole or not all(isinstance(s, dict) and "function" in s for s in steps or ()):
            allowed = "each entry has a name and a list `filter` of mappings with a `function`"
            raise InputError(f"filter_list of {where}", entry, allowed)
        arguments = [{k: v for k, v in step.items() if k != "function"} for step in steps or ()]
        names = [step["function"] for step in steps or ()]
        pairs = tuple(zip(names, arguments, strict=True))
        pipelines.append(FilterPipeline(str(entry["name"]), pairs))
    return tuple(pipelines)
