"""Filters: what is done with the outputs of an item before they are scored.

Each is a function over the outputs of one item, equal to that of lm-evaluation-harness.
"""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from research.common.errors import InputError
from research.common.user_regex import SECONDS, all_groups, check_expression
from research.tasks.lm_eval.config import FilterPipeline

INVALID = "[invalid]"
NUMBER = r"#### (\-?[0-9\.\,]+)"

# outputs, arguments -> outputs, or one output
FilterFunction = Callable[[Any, Mapping[str, Any]], Any]


class Filter(NamedTuple):
    """A filter by its name in a task file.

    Attributes:
      function: maps the outputs of an item.
      arguments: names of the arguments that it reads.
    """

    function: FilterFunction
    arguments: tuple[str, ...] = ()


def filtered(pipeline: FilterPipeline, outputs: Sequence[str]) -> Any:
    """What a pipeline makes of the outputs of an item: one output, or a list.

    Raises InputError for arguments that a filter refuses, and for a search that takes too long.
    """
    value: Any = list(outputs)
    for name, arguments in pipeline.steps:
        value = FILTERS[name].function(value, arguments)
    return value


def check_pipeline(pipeline: FilterPipeline) -> None:
    """Raises InputError for an invalid regular expression in a pipeline."""
    for _, arguments in pipeline.steps:
        if "regex_pattern" in arguments:
            field = f"regex_pattern of filter {pipeline.name}"
            check_expression(arguments["regex_pattern"], field)


def _search(pattern: str, text: object) -> list[str | tuple[str, ...]]:
    try:
        return all_groups(pattern, text if isinstance(text, str) else "")
    except TimeoutError as error:
        allowed = f"it takes more than {SECONDS:g} s to search an output"
        raise InputError("regex_pattern", pattern, allowed) from error


def _selected(matches: Sequence[str | tuple[str, ...]], index: int) -> str | None:
    """The first filled group of match number `index`, stripped; None where no group is filled.

    Raises InputError for an index that there is no match of.
    """
    try:
        match = matches[index]
    except IndexError as error:
        allowed = f"an output has {len(matches)} matches"
        raise InputError("group_select", index, allowed) from error
    groups = [match] if isinstance(match, str) else [group for group in match if group]
    return groups[0].strip() if groups else None


def _regex(outputs: Any, arguments: Mapping[str, Any]) -> list[Any]:
    """The match number `group_select` of `regex_pattern` in each output, or `fallback`."""
    pattern = arguments.get("regex_pattern", NUMBER)
    index, fallback = arguments.get("group_select", 0), arguments.get("fallback", INVALID)
    results = []
    for output in outputs:
        matches = _search(pattern, output)
        match = _selected(matches, index) if matches else None
        if match is None:
            match = fallback.strip() if matches else fallback
        results.append(match)
    return results


def _take_first(outputs: Any, arguments: Mapping[str, Any]) -> Any:
    """The first output."""
    del arguments
    return outputs[0]


def _take_first_k(outputs: Any, arguments: Mapping[str, Any]) -> Any:
    """The first `k` outputs. Raises InputError for fewer outputs."""
    count = arguments.get("k")
    if not isinstance(count, int) or count > len(outputs):
        allowed = f"an item has {len(outputs)} outputs; `repeats` has to be as large"
        raise InputError("k of take_first_k", count, allowed)
    return outputs[:count]


def _majority_vote(outputs: Any, arguments: Mapping[str, Any]) -> Any:
    """The most frequent output, as a list; of equally frequent ones, the first."""
    del arguments
    return [Counter(outputs).most_common(1)[0][0]]


def _each(function: Callable[[str], str]) -> FilterFunction:
    """A filter that maps each output alone."""

    def apply(outputs: Any, arguments: Mapping[str, Any]) -> list[str]:
        del arguments
        return [function(output) for output in outputs]

    return apply


def _map(outputs: Any, arguments: Mapping[str, Any]) -> list[Any]:
    """The value of each output in `mapping_dict`, or `default_value`."""
    values, default = arguments.get("mapping_dict") or {}, arguments.get("default_value")
    return [values.get(output, default) for output in outputs]


FILTERS: dict[str, Filter] = {
    "regex": Filter(_regex, ("regex_pattern", "group_select", "fallback")),
    "take_first": Filter(_take_first),
    "take_first_k": Filter(_take_first_k, ("k",)),
    "majority_vote": Filter(_majority_vote),
    "remove_whitespace": Filter(_each(str.strip)),
    "lowercase": Filter(_each(str.lower)),
    "uppercase": Filter(_each(str.upper)),
    "map": Filter(_map, ("mapping_dict", "default_value")),
}
