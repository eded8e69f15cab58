"""Requests of customers and the intent behind them."""

from research.tasks.example import Example
from research.tasks.world.draw import Draw, Share, part, sentence
from research.tasks.world.wishes import BACKGROUNDS, GREETINGS, THANKS, WISHES
from research.tasks.world.words import COLOURS, COUNTS, DAYS, SIGNS, THINGS, TIMES, TOWNS

LABELS = tuple(WISHES)
# The current wish, {wish}, beside one that does not count, {other}.
CONTRASTS = (
    "Before: {other} Now: {wish}",
    "{wish} My old question was: {other}",
    "My friend asks: {other} I ask: {wish}",
    "{wish} I do not ask: {other}",
)


def _fill(draw: Draw, pattern: str) -> str:
    return draw.say(
        pattern,
        thing=THINGS,
        sign=SIGNS,
        day=DAYS,
        time=COUNTS,
        count=COUNTS,
        town=TOWNS,
        colour=COLOURS,
        moment=TIMES,
    )


def draw_request(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """A request and its intent; half of them also quote an irrelevant wish."""
    intent, other = draw.sample(LABELS, 2)
    text = _wish(draw, intent, share)
    if draw.chance(0.5):
        text = draw.pick(CONTRASTS).format(wish=text, other=_wish(draw, other, share))
    elif draw.chance(0.4):
        text = f"{sentence(_fill(draw, draw.pick(BACKGROUNDS)))} {text}"
    if longer or draw.chance(0.2):
        text = f"{sentence(draw.pick(GREETINGS))} {text}"
    if longer or draw.chance(0.1):
        text = f"{text} {sentence(draw.pick(THANKS))}"
    return Example({"text": text}, intent)


def _wish(draw: Draw, intent: str, share: Share) -> str:
    """A sentence with this intent."""
    wishes = part(WISHES[intent], share)
    return sentence(draw.owned(lambda: _fill(draw, draw.pick(wishes))))
