"""Short articles about one topic, with a passing mention of another."""

from research.tasks.example import Example
from research.tasks.world.draw import Draw, Share, part, sentence
from research.tasks.world.subjects import COMMON_DEEDS, SUBJECTS
from research.tasks.world.words import DAYS, PEOPLE, TIMES, TOWNS

LABELS = tuple(SUBJECTS)
ASIDES = (
    "far from the {noun}, {main}",
    "forget the {noun} and the {other}: {main}",
    "instead of the {noun}, {main}",
    "{main}, but the {actor} was not there",
    "while the {actor} waited for the {noun}, {main}",
    "{main}, while the {actor} talked about the {noun}",
    "{main}, not the {noun} or the {other}",
    "the {actor} had nothing to do with it: {main}",
)


def event(draw: Draw, topic: str, share: Share = "all") -> str:
    """A clause about a topic: who did what, sometimes where and when."""
    return draw.owned(lambda: _event(draw, topic, share))


def _event(draw: Draw, topic: str, share: Share) -> str:
    words = SUBJECTS[topic]
    actor = draw.pick(PEOPLE) if draw.chance(0.5) else "the " + draw.pick(part(words.actors, share))
    deed = draw.pick(words.deeds if draw.chance(0.4) else COMMON_DEEDS)
    text = f"{actor} {deed.format(draw.pick(part(words.nouns, share)))}"
    if draw.chance(0.2):
        text += f" in {draw.pick(TOWNS)}"
    if draw.chance(0.2):
        text += " " + draw.pick((*TIMES, *(f"on {day}" for day in DAYS)))
    return text


def article(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """An article and its topic. Most mention another topic; `longer` ones give place and day."""
    topic = draw.pick(LABELS)
    main = event(draw, topic, share)
    if draw.chance(0.8):
        aside = SUBJECTS[draw.pick([t for t in LABELS if t != topic])]
        noun, other = draw.sample(part(aside.nouns, share), 2)
        main = draw.say(
            draw.pick(ASIDES),
            main=main,
            noun=noun,
            other=other,
            actor=part(aside.actors, share),
        )
    text = sentence(main)
    if longer:
        text += f" It was {draw.pick(DAYS)} in {draw.pick(TOWNS)}."
    elif draw.chance(0.2):
        text += " " + sentence(event(draw, topic, share))
    return Example({"text": text}, topic)
