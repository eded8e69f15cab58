"""A domain that the corpus knows nothing of: invented words, and labels by a vote of cues.

Every text has three cues of two kinds. A cue votes for its kind, or for the other kind if a turning
word stands right before it; the majority is the label. So single words say much of it, but not all.
"""

from research.tasks.task import Example
from research.tasks.world.draw import Draw, Share, part, sentence

LABELS = ("kel", "mor")
CUES = (
    ("vorp", "zindle", "quath", "brelm", "oxu", "tivvy"),
    ("snarg", "plimo", "huxel", "drebb", "yalt", "womf"),
)
TURNING = ("neb", "ikky")
FILLERS = (
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
FRAMES = (
    "{0} {a} {1} {b} {c}",
    "{a} {0} {b} {1} {c}",
    "{a} {b} {0} {1} {c}",
    "{0} {1} {a} {b} {c}",
    "{a} {0} {b} {c} {1}",
    "{0} {a} {b} {1} {c}",
)


def _vote(draw: Draw, kind: int) -> str:
    """Words that vote for a kind."""
    if draw.chance(0.25):
        return f"{draw.pick(TURNING)} {draw.pick(CUES[1 - kind])}"
    return draw.pick(CUES[kind])


def puzzle(draw: Draw, share: Share = "all", longer: bool = False) -> Example:
    """A text and its label; the longer ones have one filler more."""
    label = draw.below(2)
    outlier = draw.below(6)  # half of the texts are unanimous
    votes = [_vote(draw, 1 - label if place == outlier else label) for place in range(3)]
    fillers = draw.sample(part(FILLERS, share), 3)
    text = draw.pick(FRAMES).format(*fillers[:2], a=votes[0], b=votes[1], c=votes[2])
    if longer:
        text = f"{fillers[2]} {text}"
    return Example({"text": sentence(text)}, LABELS[label])
