"""Reviews with negation, concession, degrees and hearsay; the writer's own opinion is the label."""

from collections.abc import Callable, Sequence

from research.tasks.example import Example
from research.tasks.world.draw import Draw, Share, a, part, sentence
from research.tasks.world.goods import (
    DISLIKED,
    GOODS,
    LIKED,
    MILD_BLAME,
    MILD_PRAISE,
    STRONG_BLAME,
    STRONG_PRAISE,
    Goods,
)

LABELS = ("negative", "positive")
NOT = ("not {} at all", "never {}", "hardly {}", "far from {}", "anything but {}", "not {}")
DEGREES = ("", "", "", "very ", "really ", "so ", "quite ")
BUT = (", but ", ", but in the end ", ", yet ", ". However, ", ". Still, ")
HEARSAY = ("people say that ", "my brother said that ", "the critics wrote that ", "I feared that ")
OPENINGS = (
    "I was asked to write this.",
    "My sister wants to know.",
    "Just a few words.",
    "I promised to tell you.",
    "This is what I think.",
    "You asked me about it.",
)
OWN = ("for me ", "I found that ", "I must say that ", "in truth ")


def _adjective(draw: Draw, goods: Goods, good: bool) -> str:
    general = MILD_PRAISE + STRONG_PRAISE if good else MILD_BLAME + STRONG_BLAME
    return (
        draw.pick(goods.praise if good else goods.blame)
        if draw.chance(0.35)
        else draw.pick(general)
    )


def _subjects(draw: Draw, goods: Goods) -> list[str]:
    """Two different things to judge."""
    return ["the " + word for word in draw.sample((*goods.aspects, goods.noun), 2)]


def clause(draw: Draw, goods: Goods, subject: str, good: bool) -> str:
    """One clause of praise or blame, one in four by negation."""
    return draw.owned(lambda: _clause(draw, goods, subject, good))


def _clause(draw: Draw, goods: Goods, subject: str, good: bool) -> str:
    form = draw.below(12)
    if form < 7:
        return f"{subject} was {draw.pick(DEGREES)}{_adjective(draw, goods, good)}"
    if form < 9:
        return f"{subject} was {draw.pick(NOT).format(_adjective(draw, goods, not good))}"
    if form < 11:
        return f"I {draw.pick(LIKED if good else DISLIKED)} {subject}"
    return f"I did not {'regret' if good else 'enjoy'} {subject}"


def _clauses(draw: Draw, goods: Goods, *moods: bool) -> list[str]:
    """Clauses of these moods (True: praise), each about a different thing."""
    subjects = _subjects(draw, goods)
    return [clause(draw, goods, *pair) for pair in zip(subjects, moods, strict=False)]


def _plain(draw: Draw, goods: Goods, good: bool) -> str:
    text = sentence(*_clauses(draw, goods, good))
    return f"{sentence(draw.pick(goods.facts))} {text}" if draw.chance(0.5) else text


def _agreeing(draw: Draw, goods: Goods, good: bool) -> str:
    joint = draw.pick((" and ", ", and also ", ". Besides, "))
    return sentence(joint.join(_clauses(draw, goods, good, good)))


def _but(draw: Draw, goods: Goods, good: bool) -> str:
    return sentence(draw.pick(BUT).join(_clauses(draw, goods, not good, good)))


def _although(draw: Draw, goods: Goods, good: bool) -> str:
    minor, major = _clauses(draw, goods, not good, good)
    word = draw.pick(("although", "even though", "while"))
    return sentence(f"{word} {minor}, {major}" if draw.chance(0.5) else f"{major}, {word} {minor}")


def _despite(draw: Draw, goods: Goods, good: bool) -> str:
    minor, major = _subjects(draw, goods)
    flaw = minor.replace("the", f"the {_adjective(draw, goods, not good)}", 1)
    major = clause(draw, goods, major, good)
    word = draw.pick(("despite", "in spite of", "forget"))
    return sentence(f"{word} {flaw}{':' if word == 'forget' else ','} {major}")


def _degrees(draw: Draw, goods: Goods, good: bool) -> str:
    weak = (("fairly", "rather"), MILD_PRAISE), (("a bit", "a little"), MILD_BLAME)
    strong = ("truly", "absolutely", "simply"), STRONG_PRAISE if good else STRONG_BLAME

    def judged(subject: str, degrees: Sequence[str], words: Sequence[str]) -> str:
        return sentence(f"{subject} was {draw.pick(degrees)} {draw.pick(words)}")

    def both() -> str:
        minor, major = _subjects(draw, goods)
        return " ".join(draw.sample((judged(minor, *weak[good]), judged(major, *strong)), 2))

    return draw.owned(both)


def _hearsay(draw: Draw, goods: Goods, good: bool) -> str:
    reported, opinion = _clauses(draw, goods, not good, good)
    hearsay, opinion = sentence(draw.pick(HEARSAY) + reported), draw.pick(OWN) + opinion
    if draw.chance(0.5):
        return f"{hearsay} {sentence(opinion)}"
    return f"{hearsay[:-1]}, but {opinion}."


def _denied(draw: Draw, goods: Goods, good: bool) -> str:
    def denial() -> str:
        saying = draw.pick(("nobody can call this {}", "this is not {}", "do not say it is {}"))
        return saying.format(a(f"{_adjective(draw, goods, not good)} {goods.noun}"))

    return sentence(draw.owned(denial))


FORMS: tuple[tuple[int, Callable[[Draw, Goods, bool], str]], ...] = (
    (10, _plain),
    (8, _agreeing),
    (4, _but),
    (3, _although),
    (1, _despite),
    (2, _degrees),
    (2, _hearsay),
    (1, _denied),
)  # fmt: skip


def review(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """A review and its mood; `longer` ones begin with an introduction."""
    goods, good = draw.pick(part(GOODS, share)), draw.chance(0.5)
    text = draw.weighted(FORMS)(draw, goods, good)
    if longer:
        text = f"{draw.pick(OPENINGS)} {text}"
    return Example({"text": text}, LABELS[good])
