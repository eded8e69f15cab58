"""The pretraining corpus: an endless seeded stream of documents, one skill in one wording each."""

from collections.abc import Callable, Iterator
from typing import Literal

from research.errors import InputError, choose_from
from research.tasks.task import Example
from research.tasks.world import records, stories
from research.tasks.world.articles import article
from research.tasks.world.draw import Draw, for_tasks
from research.tasks.world.glossaries import glossary
from research.tasks.world.wordings import NAMELESS, NAMES, SKILLS

VERSION = 1  # raise it when any text of the world changes, and re-make research/assets/world-1m
SPLITS = ("train", "heldout")
MOST_ITEMS = 8


def corpus(seed: int = 0, split: Literal["train", "heldout"] = "train") -> Iterator[str]:
    """Documents without end, deterministic in (seed, split); none holds a text of a task.

    Raises InputError for another split.
    """
    if split not in SPLITS:
        raise InputError("split", split, choose_from(SPLITS, split))
    draw = Draw(seed, "corpus", split)
    while True:
        yield draw.weighted(DOCUMENTS)(draw)


def _free(draw: Draw, make: Callable[[Draw], Example]) -> Example:
    """An example whose texts do not belong to the tasks."""
    while True:
        example = make(draw)
        if not any(map(for_tasks, example.fields.values())):
            return example


def _items(draw: Draw, lines: list[str]) -> str:
    return draw.pick(("\n", "\n\n")).join(lines)


def _labelled(skill_name: str) -> Callable[[Draw], str]:
    skill = SKILLS[skill_name]

    def document(draw: Draw) -> str:
        pattern, scales = draw.pick(skill.wordings)
        words = dict(zip(skill.labels, draw.pick(scales).split(), strict=True))
        lines = []
        for _ in range(1 + draw.below(MOST_ITEMS)):
            example = _free(draw, skill.draw)
            lines.append(pattern.format(**example.fields, label=words[example.label]))
        return _items(draw, lines)

    return document


def _nameless(draw: Draw) -> str:
    skill = draw.pick(tuple(SKILLS.values()))
    pattern = draw.pick(NAMELESS)
    names = dict(zip(draw.sample(skill.labels, 2), draw.sample(NAMES, 2), strict=True))
    lines = []
    while len(lines) < MOST_ITEMS:
        example = _free(draw, skill.draw)
        if example.label in names:
            fields = " ".join(example.fields.values())
            lines.append(pattern.format(fields=fields, label=names[example.label]))
    return _items(draw, lines)


def _answers(draw: Draw) -> str:
    tale = stories.story(draw)
    asked = draw.sample(tale.questions(), 2 + draw.below(4))
    pattern = draw.pick(("Question: {} Answer: {}", "{} {}", "Q: {}\nA: {}"))
    return tale.told() + "\n" + "\n".join(pattern.format(*pair) for pair in asked)


def _summaries(draw: Draw) -> str:
    pattern = draw.pick(("{}\nSummary: {}", "Text: {}\nIn short: {}", "{} To sum up: {}"))
    lines = []
    while len(lines) < 2:
        tale = stories.story(draw)
        if not for_tasks(tale.told()):
            lines.append(pattern.format(tale.told(), tale.summary()))
    return _items(draw, lines)


def _extractions(draw: Draw) -> str:
    pattern = draw.pick(("Text: {}\nRecord: {}", "{}\nFields: {}", "{} -> {}"))
    table = draw.pick(tuple(records.COLUMNS))
    style = draw.pick(("lines", "lines", "json"))
    lines = []
    for _ in range(1 + draw.below(MOST_ITEMS // 2)):
        row = records.record(draw, table)
        told = row.told(draw)
        if not for_tasks(told):
            lines.append(pattern.format(told, row.written(style)))
    return _items(draw, lines) if lines else _extractions(draw)


def _queries(draw: Draw) -> str:
    pattern = draw.pick(("Table {}: {}\nQuestion: {}\nSQL: {}", "{}({})\n{}\nQuery: {}"))
    lines = []
    while len(lines) < 3:
        table, question, sql = records.query(draw)
        if not for_tasks(question):
            columns = ", ".join(records.COLUMNS[table])
            lines.append(pattern.format(table, columns, question, sql))
    return _items(draw, lines)


def _narrative(draw: Draw) -> str:
    if draw.chance(0.5):
        return stories.story(draw).told()
    return " ".join(_free(draw, article).fields["text"] for _ in range(4))


DOCUMENTS: tuple[tuple[int, Callable[[Draw], str]], ...] = (
    (12, _labelled("review")),
    (6, _labelled("article")),
    (6, _labelled("request")),
    (10, _labelled("statement")),
    (4, glossary),
    (2, _nameless),
    (1, _answers),
    (1, _summaries),
    (1, _extractions),
    (1, _queries),
    (1, _narrative),
)
