"""Statements and claims: does the claim follow? By one relation of everyday life each."""

from collections.abc import Callable

from research.tasks.task import Example
from research.tasks.world.draw import Draw, Share, part, sentence
from research.tasks.world.words import COLOURS, COUNTS, JOBS, PEOPLE, SPOTS, THINGS, TOWNS

LABELS = ("no", "yes")
Pair = tuple[str, str]
COMPARED = (("taller", "shorter"), ("older", "younger"), ("richer", "poorer"), ("faster", "slower"))
TRADES = (("gave", "got"), ("sold", "bought"), ("lent", "borrowed"))


def _whereabouts(draw: Draw, follows: bool) -> Pair:
    thing, spot, other = draw.pick(THINGS), *draw.sample(SPOTS, 2)
    statement = f"the {draw.pick(COLOURS)} {thing} is in the {spot}"
    return statement, f"the {thing} is in the {spot if follows else other}"


def _colour(draw: Draw, follows: bool) -> Pair:
    thing, colour, other = draw.pick(THINGS), *draw.sample(COLOURS, 2)
    statement = f"the {colour} {thing} belongs to {draw.pick(PEOPLE)}"
    return statement, f"the {thing} is {colour if follows else other}"


def _transfer(draw: Draw, follows: bool) -> Pair:
    giver, taker = draw.sample(PEOPLE, 2)
    thing = draw.pick(THINGS)
    return f"{giver} gave the {thing} to {taker}", f"{taker if follows else giver} has the {thing}"


def _trade(draw: Draw, follows: bool) -> Pair:
    giver, taker = draw.sample(PEOPLE, 2)
    thing, (gave, got) = draw.pick(THINGS), draw.pick(TRADES)
    first, second = (taker, giver) if follows else (giver, taker)
    return f"{giver} {gave} a {thing} to {taker}", f"{first} {got} a {thing} from {second}"


def _journey(draw: Draw, follows: bool) -> Pair:
    start, end = draw.sample(TOWNS, 2)
    person = draw.pick(PEOPLE)
    verb = draw.pick(("moved", "went", "travelled"))
    return (
        f"{person} {verb} from {start} to {end}",
        f"{person} is in {end if follows else start} now",
    )


def _order(draw: Draw, follows: bool) -> Pair:
    first, second = draw.sample(PEOPLE, 2)
    spot = draw.pick(SPOTS)
    one, two = (second, first) if follows else (first, second)
    return f"{first} came to the {spot} before {second}", f"{one} came after {two}"


def _comparison(draw: Draw, follows: bool) -> Pair:
    more, less = draw.sample(PEOPLE, 2)
    word, inverse = draw.pick(COMPARED)
    if draw.chance(0.5):
        claim = f"{less} is {inverse if follows else word} than {more}"
    else:
        claim = f"{more} is {word if follows else inverse} than {less}"
    return f"{more} is {word} than {less}", claim


def _work(draw: Draw, follows: bool) -> Pair:
    person, town = draw.pick(PEOPLE), draw.pick(TOWNS)
    job, other = draw.sample(JOBS, 2)
    return f"{person} works as a {job} in {town}", f"{person} is a {job if follows else other}"


def _deed(draw: Draw, follows: bool) -> Pair:
    person, thing, place = draw.pick(PEOPLE), draw.pick(THINGS), draw.pick(SPOTS)
    past, base = draw.pick(
        (("bought", "buy"), ("found", "find"), ("lost", "lose"), ("sold", "sell"))
    )
    done, not_done = f"{past} the {thing}", f"did not {base} the {thing}"
    stated, denied = draw.sample((done, not_done), 2)
    return f"{person} {stated} at the {place}", f"{person} {stated if follows else denied}"


def _quantity(draw: Draw, follows: bool) -> Pair:
    town, place = draw.pick(TOWNS), draw.pick(SPOTS)
    state, opposite = draw.sample(("open", "closed"), 2)
    word, same, contrary = draw.pick((("every", "no", "some"), ("no", "every", "no")))
    claim = f"{same if follows else contrary} {place} in {town} is {opposite}"
    return f"{word} {place} in {town} is {state}", claim


def _count(draw: Draw, follows: bool) -> Pair:
    person, other = draw.sample(PEOPLE, 2)
    thing, count, wrong = draw.pick(THINGS), *draw.sample(COUNTS, 2)
    statement = f"{person} has {count} {thing}s and {other} has none"
    return statement, f"{person} has {count if follows else wrong} {thing}s"


def _owner(draw: Draw, follows: bool) -> Pair:
    person, other = draw.sample(PEOPLE, 2)
    thing, (colour, second) = draw.pick(THINGS), draw.sample(COLOURS, 2)
    statement = f"the {thing} of {person} is {colour} and that of {other} is {second}"
    return statement, f"{person if follows else other} has a {colour} {thing}"


RELATIONS: tuple[Callable[[Draw, bool], Pair], ...] = (
    _whereabouts,
    _colour,
    _transfer,
    _trade,
    _journey,
    _order,
    _comparison,
    _work,
    _deed,
    _quantity,
    _count,
    _owner,
)


def statement(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """A premise, a hypothesis, whether it follows; the longer first tell what does not matter."""
    follows = draw.chance(0.5)
    premise, hypothesis = draw.pick(part(RELATIONS, share))(draw, follows)
    text = sentence(premise)
    if longer:
        aside = f"{draw.pick(PEOPLE)} likes the {draw.pick(SPOTS)} of {draw.pick(TOWNS)}"
        text = f"{sentence(aside)} {text}"
    return Example({"premise": text, "hypothesis": sentence(hypothesis)}, LABELS[follows])
