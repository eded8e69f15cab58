"""Text that LaTeX shows unchanged, on one line."""

import unicodedata

from research.reporting.render.latex_characters import latex_character
from research.reporting.render.latex_width import latex_width

AFTER = set("/_-.,:;")  # a long word may break after these
UNBROKEN = 0.5  # share of the room that a long word may have without a place to break
# Pairs of characters that fonts of TeX join to another one.
LIGATURES = {"--", "``", "''", ",,", "?`", "!`"}


def latex_text(text: str, size: int, room: float) -> str:
    """Text for LaTeX; words that are wider than the room may break, without a hyphen.

    Args:
        text: the text.
        size: size of the font in pt.
        room: width in pt of a ragged line; half the width of a justified line, in which shorter
            words can overflow too.
    """
    words = unicodedata.normalize("NFC", text).split()
    return " ".join(_word(word, size, room) for word in words)


def _word(word: str, size: int, room: float) -> str:
    breaks = latex_width(word, size) > room
    parts: list[str] = []
    since_break = 0.0
    for before, character, following in zip(" " + word, word, word[1:] + " ", strict=False):
        width = latex_width(character, size)
        long = since_break + width > UNBROKEN * room
        if breaks and parts and (long or (before in AFTER and character not in AFTER)):
            parts.append(r"\allowbreak{}")
            since_break = 0.0
        since_break += width
        parts.append(latex_character(character))
        if character + following in LIGATURES:
            parts.append("{}")
    return "".join(parts)
