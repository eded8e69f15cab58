"""Text from files and users, made safe to print."""

import unicodedata

# Control characters, lone surrogates, line and paragraph separators.
ESCAPED = {"Cc", "Cs", "Zl", "Zp"}
# These reverse the order of the text around them.
DIRECTION_CONTROLS = set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def printable(text: str) -> str:
    r"""The text with control characters as escapes, such as `\x1b`; line breaks are kept.

    A terminal would act on them, and a file in UTF-8 cannot hold a lone surrogate.
    """
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escaped(character) for character in text)


def _escaped(character: str) -> str:
    if character == "\n":
        return character
    if unicodedata.category(character) in ESCAPED or character in DIRECTION_CONTROLS:
        return character.encode("unicode_escape").decode("ascii")
    return character
