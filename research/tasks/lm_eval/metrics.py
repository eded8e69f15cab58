"""Metrics of task files, equal to those of lm-evaluation-harness.

A metric of an item has a value, and an aggregation makes the score of all values.
"""

import math
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from research.common.errors import InputError
from research.common.user_regex import SECONDS, check_expression, without_matches

IGNORE = ("regexes_to_ignore", "ignore_case", "ignore_punctuation", "ignore_numbers")


class MetricDefinition(NamedTuple):
    """A metric by its name in a task file.

    Attributes:
      output_types: those of which it is a metric.
      aggregation: its own, in `AGGREGATIONS`.
      options: names of its options.
    """

    output_types: tuple[str, ...]
    aggregation: str
    options: tuple[str, ...] = ()


_CHOICE, _LIKELIHOOD = ("multiple_choice",), ("loglikelihood",)
_ROLLING, _TEXT = ("loglikelihood_rolling",), ("generate_until",)
METRICS: dict[str, MetricDefinition] = {
    "acc": MetricDefinition((*_CHOICE, *_LIKELIHOOD), "mean"),
    "acc_norm": MetricDefinition(_CHOICE, "mean"),
    "acc_bytes": MetricDefinition(_CHOICE, "mean"),
    "acc_mutual_info": MetricDefinition(_CHOICE, "mean"),
    "exact_match": MetricDefinition((*_TEXT, *_CHOICE), "mean", IGNORE),
    "f1": MetricDefinition(_CHOICE, "f1"),
    "mcc": MetricDefinition(_CHOICE, "matthews_corrcoef"),
    "brier_score": MetricDefinition(_CHOICE, "brier_score"),
    "perplexity": MetricDefinition(_LIKELIHOOD, "perplexity"),
    "word_perplexity": MetricDefinition(_ROLLING, "weighted_perplexity"),
    "byte_perplexity": MetricDefinition(_ROLLING, "weighted_perplexity"),
    "bits_per_byte": MetricDefinition(_ROLLING, "bits_per_byte"),
    "bleu": MetricDefinition(_TEXT, "bleu"),
    "chrf": MetricDefinition(_TEXT, "chrf"),
    "chrf++": MetricDefinition(_TEXT, "chrf++"),
    "ter": MetricDefinition(_TEXT, "ter"),
}


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


class ChoiceScores(NamedTuple):
    """The choices of an item with their log-likelihoods.

    Attributes:
      texts: of the choices.
      log_likelihoods: of each choice.
      greedy: whether each choice is what greedy generation writes.
      gold: indices of the right choices.
      unconditional: log-likelihoods without the prompt, for `acc_mutual_info`.
    """

    texts: Sequence[str]
    log_likelihoods: Sequence[float]
    greedy: Sequence[bool] = ()
    gold: Sequence[int] = (0,)
    unconditional: Sequence[float] = ()


def choice_value(name: str, item: ChoiceScores) -> Any:
    """The value of a metric of multiple choice for an item; of equal scores the first counts."""
    scores = np.asarray(item.log_likelihoods, float)
    if name == "acc_norm":
        scores = scores / np.array([len(text) for text in item.texts], float)
    elif name == "acc_bytes":
        scores = scores / np.array([len(text.encode()) for text in item.texts], float)
    elif name == "acc_mutual_info":
        scores = scores - np.asarray(item.unconditional, float)
    elif name == "exact_match":
        return float(any(item.greedy[index] for index in item.gold))
    elif name == "brier_score":
        shares = np.exp(scores - scores.max())
        return item.gold[0], (shares / shares.sum()).tolist()
    predicted = int(np.argmax(scores))
    if name in ("f1", "mcc"):
        return item.gold[0], predicted
    return float(predicted in item.gold)


def rolling_value(name: str, log_likelihood: float, text: str) -> tuple[float, int]:
    """(log-likelihood of a text, its number of words or bytes), for the perplexities."""
    if name != "word_perplexity":
        return log_likelihood, len(text.encode())

    return log_likelihood, len(re.split(r"\s+", text))


def _mean(values: Sequence[Any]) -> float:
    return sum(values) / len(values)


def _nanmean(values: Sequence[Any]) -> float:
    numbers = np.asarray(values, float)
    return math.nan if np.isnan(numbers).all() else float(np.nanmean(numbers))


def _median(values: Sequence[Any]) -> float:
    """The upper of the two middle values."""
    return sorted(values)[len(values) // 2]


def _weighted_mean(values: Sequence[Any]) -> float:
    return sum(value for value, _ in values) / sum(weight for _, weight in values)


def _f1(values: Sequence[Any]) -> float:
    """F1 of class 1."""
    hits = sum(gold == predicted == 1 for gold, predicted in values)
    total = sum((gold == 1) + (predicted == 1) for gold, predicted in values)
    return 2 * hits / total if total else 0.0


def _matthews(values: Sequence[Any]) -> float:
    from research.tasks.metrics.classification import matthews

    gold, predicted = np.array(values, int).T
    return float(matthews(predicted, gold, int(max(gold.max(), predicted.max())) + 1))


def _brier(values: Sequence[Any]) -> float:
    shares = np.array([shares for _, shares in values], float)
    right = np.eye(shares.shape[1])[[gold for gold, _ in values]]
    return float(np.mean(np.sum((shares - right) ** 2, axis=1)))


def _corpus(name: str) -> Callable[[Sequence[Any]], float]:
    """A score of sacrebleu, from 0 to 100, over (references of an item, output)."""

    def score(values: Sequence[Any]) -> float:
        import sacrebleu  # here: few tasks need it

        references = [[refs] if isinstance(refs, str) else list(refs) for refs, _ in values]
        streams = [list(stream) for stream in zip(*references, strict=False)]
        outputs = [output for _, output in values]
        if name == "bleu":
            return sacrebleu.corpus_bleu(outputs, streams).score
        if name == "ter":
            return sacrebleu.corpus_ter(outputs, streams).score
        order = 2 if name == "chrf++" else 0
        return sacrebleu.corpus_chrf(outputs, streams, word_order=order).score

    return score


AGGREGATIONS: dict[str, Callable[[Sequence[Any]], float]] = {
    "mean": _mean,
    "nanmean": _nanmean,
    "median": _median,
    "perplexity": lambda values: math.exp(-_mean(values)),
    "weighted_perplexity": lambda values: math.exp(-_weighted_mean(values)),
    "bits_per_byte": lambda values: -_weighted_mean(values) / math.log(2),
    "f1": _f1,
    "matthews_corrcoef": _matthews,
    "brier_score": _brier,
    "bleu": _corpus("bleu"),
    "chrf": _corpus("chrf"),
    "chrf++": _corpus("chrf++"),
    "ter": _corpus("ter"),
}
