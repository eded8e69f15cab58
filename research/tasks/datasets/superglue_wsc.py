"""WSC: the referent of a pronoun (Levesque et al. 2012), in the format of T5."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from research.tasks.datasets.superglue import SuperGLUETextTask
from research.tasks.example import Pair
from research.tasks.metrics.referent import NOT


@dataclass(frozen=True, kw_only=True)
class WSCTask(SuperGLUETextTask):
    """A text with its pronoun between stars asks for the referent (Raffel et al. 2020, arXiv
    1910.10683, section 2.4). SuperGLUE asks whether a candidate is the referent: where it is not,
    the reference is "not " and the candidate, and train, which cannot learn from it, leaves it out.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = (
        "text",
        "span1_text",
        "span2_text",
        "span2_index",
        "label",
    )

    name: str = "wsc"
    config_name: str | None = "wsc.fixed"
    templates: tuple[str, ...] = ("{text}",)
    words: tuple[str, ...] = ("commonsense", "pronoun", "resolution")
    metric: str = "referent"

    def pairs(self, row: Mapping[str, Any], use: str) -> Iterable[Pair]:
        target = row.get("target", row)  # the files have this level, the hub does not
        holds = {"true": True, "false": False}[str(row["label"]).lower()]
        if holds or use != "train":
            text = with_stars(row["text"], int(target["span2_index"]), target["span2_text"])
            yield {"text": text}, [("" if holds else NOT) + target["span1_text"].strip()]


def with_stars(text: str, index: int, pronoun: str) -> str:
    """The text with stars around its pronoun, the word at `index`: "he" becomes "*he*".

    In some texts of the dataset another word is at that index; then the nearest occurrence of the
    pronoun is marked, punctuation ignored. Raises ValueError where there is none.
    """
    words = text.split()
    positions = [i for i, word in enumerate(words) if _bare(word) == _bare(pronoun)]
    if not positions:
        raise ValueError(f"{pronoun!r} is no word of {text!r}")
    position = min(positions, key=lambda i: abs(i - index))
    words[position] = words[position].replace(pronoun, f"*{pronoun}*", 1)
    return " ".join(words)


def _bare(word: str) -> str:
    return word.strip(".,;:!?\"'")
