"""What the devices that run a compiled program tell one another, as its text has it."""

import math
import re
from collections import defaultdict

KINDS = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "all-to-all",
    "collective-permute",
    "collective-broadcast",
    "ragged-all-to-all",
)
CALL = re.compile(rf"= (.*?) ({'|'.join(KINDS)})(?:-start)?\(")


def collectives(text: str) -> dict[str, list[str]]:
    """{kind: the arrays, such as `f32[3,16]`, that operations of this kind make}."""
    found = defaultdict(list)
    for arrays, kind in CALL.findall(text):
        found[kind] += re.findall(r"\w+\[[\d,]*\]", arrays)
    return dict(found)


def size_of(array: str) -> int:
    """How many numbers are in `f32[3,16]`."""
    return math.prod(int(size) for size in re.findall(r"\d+", array.partition("[")[2]))
