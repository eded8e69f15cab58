"""A small generation task."""

from research.tasks.example import grouped
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from research.tasks.text_task import TextTask


def examples(begin, end):
    return grouped(({"text": f"text {i}"}, [f"say {i}", f"or {i} more"]) for i in range(begin, end))


def task(**changes) -> TextTask:
    whole = dict(
        templates=(Template("{text}\nSay:"),),
        verbalizer=FreeText(),
        train=examples(0, 12),
        test=examples(12, 15),
    )
    return TextTask("t", (), **{**whole, **changes})
