"""Glossaries: the field of a word, or whether a word is praise or blame."""

from collections.abc import Callable
from functools import partial

from research.tasks.world.draw import Draw
from research.tasks.world.goods import GOODS, MILD_BLAME, MILD_PRAISE, STRONG_BLAME, STRONG_PRAISE
from research.tasks.world.subjects import SUBJECTS

PRAISE = (*MILD_PRAISE, *STRONG_PRAISE, *(word for goods in GOODS for word in goods.praise))
BLAME = (*MILD_BLAME, *STRONG_BLAME, *(word for goods in GOODS for word in goods.blame))
FIELDS = ("{}: {}", "the {} belongs to {}", "{} is a word for {}")
MOODS = ("{}: {}", "to be {} is {}", "{} is a word for {}")
SCALES = (("bad", "good"), ("bad", "good"), ("negative", "positive"))

Entry = tuple[str, str]


def draw_glossary(draw: Draw) -> tuple[Callable[[Draw], Entry], str]:
    """(function that draws (word, label) entries of one kind, pattern of an entry)."""
    if draw.chance(0.4):
        return _field, draw.pick(FIELDS)
    return partial(_mood, scale=draw.pick(SCALES)), draw.pick(MOODS)


def _mood(draw: Draw, scale: tuple[str, str]) -> Entry:
    good = draw.chance(0.5)
    return draw.pick(PRAISE if good else BLAME), scale[good]


def _field(draw: Draw) -> Entry:
    topic = draw.pick(tuple(SUBJECTS))
    return draw.pick((*SUBJECTS[topic].nouns, *SUBJECTS[topic].actors)), topic
