"""A task with invented words for goods and judgements, which do not occur in the corpus.

The grammar is English. Every text judges two goods; the judgement of the second one is the label,
and a negation before a judgement means its opposite. So single words do not determine the label.
"""

from research.tasks.example import Example
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
    """A text and its label; `longer` ones mention another good first."""
    grade = draw.below(2)
    first, second, other = draw.sample(part(GOODS, share), 3)
    clauses = [_judged(draw, first, draw.below(2)), _judged(draw, second, grade)]
    text = draw.pick(JOINTS).join(clauses)
    if longer:
        text = f"after the {other}, {text}"
    return Example({"text": sentence(text)}, LABELS[grade])


def _judged(draw: Draw, good: str, grade: int) -> str:
    """A clause with this judgement of the good, one in four by negation of the opposite."""
    if draw.chance(0.25):
        return f"the {good} was {draw.pick(TURNING)} {draw.pick(JUDGEMENTS[1 - grade])}"
    return f"the {good} was {draw.pick(JUDGEMENTS[grade])}"
