"""WSC: what does a pronoun stand for (Levesque et al. 2012), as T5 casts it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from research.tasks.datasets.superglue import SuperGLUETask
from research.tasks.metrics.referent import NOT
from research.tasks.text_task import Pair


@dataclass(frozen=True, kw_only=True)
class WSCTask(SuperGLUETask):
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
        target = row.get("target", row)  # the files have one, the hub has not
        holds = {"true": True, "false": False}[str(row["label"]).lower()]
        if holds or use != "train":
            text = marked(row["text"], int(target["span2_index"]), target["span2_text"])
            yield {"text": text}, [("" if holds else NOT) + target["span1_text"].strip()]


def marked(text: str, index: int, pronoun: str) -> str:
    """The text with its pronoun, word number `index`, between stars: "he" as "*he*".

    Where another word stands there, as in some texts of the dataset, it is the nearest that is the
    pronoun, punctuation aside. Raises ValueError where there is none.
    """
    words = text.split()
    places = [place for place, word in enumerate(words) if _bare(word) == _bare(pronoun)]
    if not places:
        raise ValueError(f"{pronoun!r} is no word of {text!r}")
    place = min(places, key=lambda place: abs(place - index))
    words[place] = words[place].replace(pronoun, f"*{pronoun}*", 1)
    return " ".join(words)


def _bare(word: str) -> str:
    return word.strip(".,;:!?\"'")
