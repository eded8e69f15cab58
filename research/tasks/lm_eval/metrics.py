"""Metrics that task files may name, and `exact_match` as lm-evaluation-harness defines it."""

import string
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from research.common.errors import InputError
from research.common.user_regex import SECONDS, check_expression, without_matches

IGNORE = ("regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers")


class MetricDefinition(NamedTuple):
    """A metric by its name in a task file.

    Attributes:
      output_types: those of which it is a metric.
      options: names of its options.
    """

    output_types: tuple[str, ...]
    options: tuple[str, ...] = ()


_CHOICE, _LIKELIHOOD = ("multiple_choice",), ("loglikelihood",)
_ROLLING, _TEXT = ("loglikelihood_rolling",), ("generate_until",)
METRICS: dict[str, MetricDefinition] = {
    "acc": MetricDefinition((*_CHOICE, *_LIKELIHOOD)),
    "acc_norm": MetricDefinition(_CHOICE),
    "acc_bytes": MetricDefinition(_CHOICE),
    "acc_mutual_info": MetricDefinition(_CHOICE),
    "exact_match": MetricDefinition((*_TEXT, *_CHOICE), IGNORE),
    "f1": MetricDefinition(_CHOICE),
    "mcc": MetricDefinition(_CHOICE),
    "brier_score": MetricDefinition(_CHOICE),
    "perplexity": MetricDefinition(_LIKELIHOOD),
    "word_perplexity": MetricDefinition(_ROLLING),
    "byte_perplexity": MetricDefinition(_ROLLING),
    "bits_per_byte": MetricDefinition(_ROLLING),
    "bleu": MetricDefinition(_TEXT),
    "chrf": MetricDefinition(_TEXT),
    "chrf++": MetricDefinition(_TEXT),
    "ter": MetricDefinition(_TEXT),
}
# From the values of items to a score.
AGGREGATIONS = (
    "mean",
    "nanmean",
    "median",
    "perplexity",
    "weighted_perplexity",
    "bits_per_byte",
    "f1",
    "matthews_corrcoef",
    "brier_score",
    "bleu",
    "chrf",
    "chrf++",
    "ter",
)


def metric_options(name: str, output_type: str) -> tuple[str, ...]:
    """The options of a metric that are read.

    Where no text is generated the harness reads none of those that some files name, so they have
    no effect.
    """
    read = (*METRICS[name].options, "hf_evaluate")
    return (
        read if output_type == "generate_until" else (*read, *IGNORE, "average", "weight_by_size")
    )


def normalized(text: str, options: Mapping[str, Any]) -> str:
    """A text without what `exact_match` ignores, in the harness's order.

    Raises InputError for a regular expression that is invalid or takes too long.
    """
    for pattern in options.get("regexes_to_ignore") or ():
        check_expression(pattern, "regexes_to_ignore")
        try:
            text = without_matches(pattern, text)
        except TimeoutError as error:
            allowed = f"it takes more than {SECONDS:g} s to search a text"
            raise InputError("regexes_to_ignore", pattern, allowed) from error
    if options.get("ignore_case"):
        text = text.lower()
    if options.get("ignore_punctuation"):
        text = text.translate(str.maketrans("", "", string.punctuation))
    if options.get("ignore_numbers"):
        text = text.translate(str.maketrans("", "", string.digits))
    return text


def exact_match(output: str, references: Sequence[str], options: Mapping[str, Any]) -> float:
    """1 where the text equals a reference, apart from what the options ignore."""
    plain = normalized(output, options)
    return float(any(plain == normalized(reference, options) for reference in references))
