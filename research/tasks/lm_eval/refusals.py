"""What a task file asks for that is not read: code, pictures, metrics without a definition."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from research.tasks.lm_eval.config import Metric, TaskConfig
from research.tasks.lm_eval.filters import FILTERS
from research.tasks.lm_eval.generation import GENERATION_KEYS
from research.tasks.lm_eval.metrics import AGGREGATIONS, METRICS, metric_options
from research.tasks.lm_eval.yaml_file import Function

# Functions that may be run where the user trusts the code of a folder.
TRUSTED = ("process_docs", "doc_to_text", "doc_to_target", "doc_to_choice")


def python_class(values: Mapping[str, Any]) -> str | None:
    """The reason to refuse a file whose task is a Python class; None for any other file."""
    return "class: the task is a Python class" if "class" in values else None


def refusals(config: TaskConfig, trusted: bool = False, metric: str | None = None) -> list[str]:
    """The reasons for which a task is refused, each with its key; none for one that is read.

    Args:
      config: of the task.
      trusted: whether the functions of `TRUSTED` may be run.
      metric: the only one of its metrics that is used; None for all of them.
    """
    metrics = [entry for entry in config.metrics if metric in (None, entry.name)]
    return list(dict.fromkeys(_refusals(config, trusted, metrics)))


def _refusals(config: TaskConfig, trusted: bool, metrics: Sequence[Metric]) -> Iterator[str]:
    for key, value in vars(config).items():
        if key in ("metric_list", "filter_list"):
            continue
        if any(True for _ in _functions(value)) and not (trusted and key in TRUSTED):
            yield f"{key}: a function in Python"
    if config.doc_to_image is not None:
        yield "doc_to_image: the prompt has images"
    if config.doc_to_audio is not None:
        yield "doc_to_audio: the prompt has sounds"
    if config.use_prompt is not None:
        yield "use_prompt: its prompts are in the package promptsource"
    if config.unsafe_code:
        yield "unsafe_code: its metric runs generated programs"
    if str(config.dataset_path).endswith(".py"):
        yield "dataset_path: a script in Python"
    if config.process_results is None:
        yield from _of_metrics(config.output_type, metrics)
    yield from _of_filters(config)
    if config.output_type == "generate_until":
        for key in config.generation_kwargs:
            if key not in GENERATION_KEYS:
                yield f"generation_kwargs: {key} is not read"


def _of_metrics(output_type: str, metrics: Sequence[Metric]) -> Iterator[str]:
    for metric in metrics:
        if not isinstance(metric.name, str):
            yield "metric_list: a function in Python"
        elif metric.options.get("hf_evaluate") is True:
            yield f"metric_list: {metric.name} is defined in the package evaluate"
        elif metric.name not in METRICS:
            yield f"metric_list: {metric.name} has no definition here"
        elif output_type not in METRICS[metric.name].output_types:
            yield f"metric_list: {metric.name} is no metric of {output_type}"
        else:
            for key in metric.options:
                if key not in metric_options(metric.name, output_type):
                    yield f"metric_list: {key} of {metric.name} is not read"
        if metric.aggregation is not None and not isinstance(metric.aggregation, str):
            yield "metric_list: an aggregation by a function in Python"
        elif metric.aggregation not in (None, *AGGREGATIONS):
            yield f"metric_list: the aggregation {metric.aggregation} has no definition here"


def _of_filters(config: TaskConfig) -> Iterator[str]:
    for pipeline in config.filter_list:
        for name, arguments in pipeline.steps:
            if not isinstance(name, str) or any(True for _ in _functions(arguments)):
                yield "filter_list: a function in Python"
            elif name not in FILTERS:
                yield f"filter_list: {name} has no definition here"
            else:
                for key in arguments:
                    if key not in FILTERS[name].arguments:
                        yield f"filter_list: {key} of {name} is not read"


def _functions(value: Any) -> Iterator[Function]:
    """The functions within a value."""
    if isinstance(value, Function):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _functions(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _functions(inner)
