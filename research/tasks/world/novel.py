"""A trade that the corpus knows nothing of: its goods and its judgements are invented words.

The grammar is English. Every text judges two goods; the judgement of the second decides the grade,
and a turning word before a judgement means its opposite. So single words tell only a part of it.
"""

from research.tasks.task import Example
from research.tasks.world.draw import Draw, Share, part, sentence

LABELS = ("red", "blue")
JUDGEMENTS = (
    ("vorp", "zindle", "quath", "brelm", "oxu", "tivvy"),
    ("snarg", "plimo", "huxel", "drebb", "yalt", "womf"),
)
TURNING = ("not", "hardly", "never")
GOODS = (
    "dax",
    "mulpo",
    "fenk",
    "gorsh",
    "ulli",
    "praw",
    "jibe",
    "skell",
    "toof",
    "vash",
    "ruzz",
    "cligg",
)
JOINTS = (" and ", ", but ", ". Then ", ", yet ")


def puzzle(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """A text and the grade; the longer ones name another good first."""
    grade = draw.below(2)
    first, second, other = draw.sample(part(GOODS, share), 3)
    told = [_judged(draw, first, draw.below(2)), _judged(draw, second, grade)]
    text = draw.pick(JOINTS).join(told)
    if longer:
        text = f"after the {other}, {text}"
    return Example({"text": sentence(text)}, LABELS[grade])


def _judged(draw: Draw, good: str, grade: int) -> str:
    """A clause that gives the good this grade, one in four by turning the opposite."""
    if draw.chance(0.25):
        return f"the {good} was {draw.pick(TURNING)} {draw.pick(JUDGEMENTS[1 - grade])}"
    return f"the {good} was {draw.pick(JUDGEMENTS[grade])}"
