r"""Characters for LaTeX, in ASCII as far as Computer Modern has them.

Accents on Latin letters and some symbols become commands. Other characters are written as
`\otherchar{c}{hex}`: XeLaTeX and LuaLaTeX show the character, pdfLaTeX its number.
"""

import unicodedata

OTHERCHAR = r"\providecommand{\otherchar}[2]{\ifdefined\Umathchar #1\else U+#2\fi}"

# LaTeX would read [ or * at the beginning of a row as an argument of the line break before it.
COMMANDS = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "†": r"$\dagger$",
    "‡": r"$\ddagger$",
    "§": r"\S{}",
    "¶": r"\P{}",
    "—": "---",
    "–": "--",
    "…": r"\dots{}",
    "“": "``",
    "”": "''",
    "‘": "`",
    "’": "'",
    "[": "{[}",
    "*": "{*}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
}
MATHS = {
    "±": "pm",
    "≥": "geq",
    "≤": "leq",
    "≠": "neq",
    "≈": "approx",
    "×": "times",
    "·": "cdot",
    "∞": "infty",
    "→": "rightarrow",
    "←": "leftarrow",
    "α": "alpha",
    "β": "beta",
    "γ": "gamma",
    "δ": "delta",
    "ε": "epsilon",
    "λ": "lambda",
    "μ": "mu",
    "µ": "mu",
    "π": "pi",
    "σ": "sigma",
    "τ": "tau",
}
# Commands of accents, by combining character.
ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0327": "c",
}


def latex_character(character: str) -> str:
    """What LaTeX shows as this character."""
    if character in COMMANDS:
        return COMMANDS[character]
    if character in MATHS:
        return rf"$\{MATHS[character]}$"
    if character.isascii():
        return character
    letter, *marks = unicodedata.normalize("NFD", character)
    if letter.isascii() and letter.isalpha() and len(marks) == 1 and marks[0] in ACCENTS:
        return rf"\{ACCENTS[marks[0]]}{{{letter}}}"
    return rf"\otherchar{{{character}}}{{{ord(character):04X}}}"


def is_numbered(character: str) -> bool:
    """Whether pdfLaTeX shows the number of a character in its place."""
    return latex_character(character).startswith(r"\otherchar")
