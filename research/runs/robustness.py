"""Robustness of a tested run: scores by group of test items, and agreement on paraphrases."""

from collections.abc import Mapping

from research.records.measurements import Robustness
from research.records.predictions.kinds import AnyPredictions
from research.stats.groups import agreement, by_length, group_scores
from research.tasks.task import Task


def robustness(task: Task, predictions: Mapping[str, AnyPredictions]) -> Robustness:
    """Scores by group of test items and agreement on paraphrases.

    Items are grouped by label, by length in characters and by the task's own groups. The score of a
    group is the mean score of its answers, which for labels is their accuracy. Numbers have no
    groups, since they are not right or wrong.

    Args:
        task: the task.
        predictions: predictions on each split of `Task.tests`, by its name.
    """
    test, other = predictions["test"], predictions.get("paraphrases")
    lengths = [sum(map(len, example.fields.values())) for example in task.test]
    named = {
        "label": [example.label for example in task.test] if task.labels else (),
        "length": by_length(lengths),
        "group": task.groups,
    }
    right = test.item_scores(task.metric)
    groups = {
        kind: group_scores(right, names)
        for kind, names in named.items()
        if names and right is not None
    }
    same = None if other is None else agreement(test.predicted, other.predicted)
    return Robustness(groups, same)
