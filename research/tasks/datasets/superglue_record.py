"""ReCoRD: which entity is missing from a sentence about a news article (Zhang et al. 2018, arXiv
1810.12885), as T5 casts it.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from research.tasks.datasets.superglue import SuperGLUETextTask
from research.tasks.example import Pair


@dataclass(frozen=True, kw_only=True)
class ReCoRDTask(SuperGLUETextTask):
    """The sentence, all entities and the article ask for the entity at "@placeholder" (Raffel et
    al. 2020, arXiv 1910.10683, appendix D); every right mention is a reference.
    """

    COLUMNS: ClassVar[tuple[str, ...]] = ("passage", "query", "entities", "answers")

    name: str = "record"
    config_name: str | None = "record"
    templates: tuple[str, ...] = ("query: {query} entities: {entities} passage: {passage}",)
    words: tuple[str, ...] = ("commonsense", "reasoning", "reading", "comprehension")
    metric: str = "f1"

    def pairs(self, row: Mapping[str, Any], use: str) -> Iterable[Pair]:
        del use
        passage, entities, questions = _parts(row)
        shared = {"entities": ", ".join(dict.fromkeys(entities)), "passage": _plain(passage)}
        for query, answers in questions:
            yield {"query": query, **shared}, list(dict.fromkeys(answers))


def _parts(row: Mapping[str, Any]) -> tuple[str, list[str], list[tuple[str, list[str]]]]:
    """(article, entities, (sentence, answers) of each question), of a row of either form: the files
    have several questions and mark entities by where they stand, the hub has one and their texts.
    """
    passage = row["passage"]
    if isinstance(passage, str):
        return passage, row["entities"], [(row["query"], row["answers"])]
    text = passage["text"]
    spans = sorted((int(entity["start"]), int(entity["end"]) + 1) for entity in passage["entities"])
    questions = [
        (question["query"], [answer["text"] for answer in question["answers"]])
        for question in row["qas"]
    ]
    return text, [text[begin:end] for begin, end in spans], questions


def _plain(passage: str) -> str:
    """The highlights of an article as its last sentences."""
    ended = re.sub(r"""(?<=[.?!"'])\n@highlight\n""", " ", passage)
    return ended.replace("\n@highlight\n", ". ")
