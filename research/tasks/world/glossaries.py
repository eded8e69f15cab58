"""Glossaries: which field a word belongs to, and whether a word is praise or blame."""

from research.tasks.world.draw import Draw
from research.tasks.world.goods import (
    GOODS,
    MILD_BLAME,
    MILD_PRAISE,
    STRONG_BLAME,
    STRONG_PRAISE,
)
from research.tasks.world.subjects import SUBJECTS

PRAISE = (*MILD_PRAISE, *STRONG_PRAISE, *(word for goods in GOODS for word in goods.praise))
BLAME = (*MILD_BLAME, *STRONG_BLAME, *(word for goods in GOODS for word in goods.blame))
FIELDS = ("{word}: {label}", "the {word} belongs to {label}", "{word} is a word for {label}")
MOODS = ("{word}: {label}", "to be {word} is {label}", "{word} is a word for {label}")
SCALES = (("bad", "good"), ("poor", "great"), ("negative", "positive"), ("terrible", "excellent"))


def glossary(draw: Draw) -> str:
    """Twelve lines of one kind."""
    if draw.chance(0.5):
        pattern, scale = draw.pick(MOODS), draw.pick(SCALES)
        lines = [_mood(draw, pattern, scale) for _ in range(12)]
    else:
        pattern = draw.pick(FIELDS)
        lines = [_field(draw, pattern) for _ in range(12)]
    return "\n".join(lines)


def _mood(draw: Draw, pattern: str, scale: tuple[str, str]) -> str:
    good = draw.chance(0.5)
    return pattern.format(word=draw.pick(PRAISE if good else BLAME), label=scale[good])


def _field(draw: Draw, pattern: str) -> str:
    topic = draw.pick(tuple(SUBJECTS))
    words = (*SUBJECTS[topic].nouns, *SUBJECTS[topic].actors)
    return pattern.format(word=draw.pick(words), label=topic)
