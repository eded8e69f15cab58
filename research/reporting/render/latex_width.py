"""Widths of text in Computer Modern, the font of LaTeX, without running LaTeX."""

from functools import cache

from research.reporting.render.latex_characters import is_numbered

# Advance of the letters of cmr10 in thousandths of the font size.
WIDTHS = {
    277: "il!',.:;[]|`",
    305: "fj",
    333: "- _",
    361: "I",
    388: "t()",
    391: "r",
    394: "s",
    444: "cez†‡§",
    500: '0123456789ago"$*/–\\^~{}',
    513: "J",
    527: "kqvxy",
    555: "bdhnpuS",
    611: "Z",
    625: "L",
    652: "F",
    680: "EP",
    708: "B",
    722: "wCT",
    736: "R",
    750: "AHNUVXY",
    763: "D",
    777: "KOQ&+=@±≥≤<>",
    784: "G",
    833: "m#%",
    916: "M",
    1000: "—",
    1027: "W",
}
WIDTH_OF = {letter: width / 1000 for width, letters in WIDTHS.items() for letter in letters}
SMALL = 1.139  # letters of cmr7 are wider than those of cmr10 scaled down, by the width of digits
BOLD = 1.16
OTHER = 0.6  # letters that are not in the table
NUMBERED = 4.2  # U+1F600


def latex_width(text: str, size: int, bold: bool = False) -> float:
    """Width in pt of a line of text in a font of about 7 pt."""
    letters = sum(map(_letter_width, text))
    return letters * size * SMALL * (BOLD if bold else 1.0)


@cache
def _letter_width(letter: str) -> float:
    if letter in WIDTH_OF:
        return WIDTH_OF[letter]
    return NUMBERED if is_numbered(letter) else OTHER
