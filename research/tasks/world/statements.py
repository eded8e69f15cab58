"""Statements and claims: whether a claim follows from a statement, by everyday knowledge."""

from research.tasks.example import Example
from research.tasks.world.draw import Draw, Share, part, sentence
from research.tasks.world.oppositions import OPPOSITIONS, State
from research.tasks.world.words import DAYS, PEOPLE, SPOTS, THINGS, TOWNS

LABELS = ("no", "yes")
SOURCES = (
    "",
    "",
    "{friend} says that ",
    "{friend} told me that ",
    "I heard that ",
    "on {day} ",
    "{friend} wrote on {day} that ",
)


def statement(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """A premise, a hypothesis and whether it follows.

    As in data sets made by people (Gururangan et al. 2018, arXiv 1803.02324), the hypothesis alone
    predicts the label above chance: claims of the first state follow in two cases of three, the
    others in one of three. Some hypotheses deny the opposite. `longer` premises begin with an
    irrelevant sentence.
    """
    claimed = draw.below(2)
    follows = draw.chance((2 - claimed) / 3)
    opposition = draw.pick(part(OPPOSITIONS, share))
    slots, text = _statement(draw, opposition[claimed if follows else 1 - claimed])
    if longer:
        text = f"{slots['friend']} likes {draw.pick(TOWNS)}. {text}"
    if draw.chance(0.1):
        hypothesis = "it is not true that " + draw.pick(opposition[1 - claimed].claims)
    else:
        hypothesis = draw.pick(opposition[claimed].claims)
    fields = {"premise": text, "hypothesis": sentence(hypothesis.format(**slots))}
    return Example(fields, LABELS[follows])


def consequence(draw: Draw) -> tuple[str, str]:
    """A statement and a claim that follows from it."""
    state = draw.pick(draw.pick(OPPOSITIONS))
    slots, text = _statement(draw, state)
    return text, sentence(draw.pick(state.claims).format(**slots))


def _statement(draw: Draw, state: State) -> tuple[dict[str, str], str]:
    """(values of the slots, sentence that describes the state)."""
    slots: dict[str, str] = {}

    def phrase() -> str:
        slots.update(_slots(draw))
        return draw.pick(state.clauses).format(**slots)

    clause = draw.owned(phrase)
    return slots, sentence(draw.pick(SOURCES).format(**slots) + clause)


def _slots(draw: Draw) -> dict[str, str]:
    person, friend = draw.sample(PEOPLE, 2)
    return {
        "person": person,
        "friend": friend,
        "day": draw.pick(DAYS),
        "town": draw.pick(TOWNS),
        "spot": draw.pick(SPOTS),
        "thing": draw.pick(THINGS),
    }
