"""Small tasks of each kind whose test rows are answered from elsewhere."""

from research.tasks.example import Example
from research.tasks.number_task import NumberTask
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText, Verbalizer
from research.tasks.task import Task
from research.tasks.text_task import TextTask

TEXTS = ("a warm film", "a cold film", "a dull film", "a warm film")
TEMPLATES = (Template("{text}\nVerdict:"), Template("Film: {text}\nVerdict:"))


def examples(answers: tuple[str, ...], texts: bool = False) -> tuple[Example, ...]:
    """A test row for each answer; the first and the last have the same input."""
    return tuple(
        Example({"text": text}, answer, (answer,) if texts else ())
        for text, answer in zip(TEXTS, answers, strict=True)
    )


TRAIN = (Example({"text": "one"}, "bad"), Example({"text": "two"}, "good"))
LABELS = Task(
    name="films",
    labels=("bad", "good"),
    templates=TEMPLATES,
    verbalizer=Verbalizer({"bad": ("negative", "poor"), "good": "positive"}),
    train=TRAIN,
    test=examples(("good", "bad", "bad", "good")),
    ood=(Example({"text": "a grim play"}, "bad"),),
)
WRITTEN = TextTask(
    name="said",
    labels=(),
    templates=TEMPLATES,
    verbalizer=FreeText(),
    train=(Example({"text": "one"}, "it is bad", ("it is bad",)),),
    test=examples(("it is good", "it is bad", "it is bad", "it is good"), texts=True),
)
NUMBERS = NumberTask(
    name="stars",
    labels=(),
    templates=TEMPLATES,
    verbalizer=FreeText(),
    train=(Example({"text": "one"}, "1.0"),),
    test=examples(("4.5", "1.0", "2.0", "4.0")),
)
