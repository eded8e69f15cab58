"""Documents of the corpus: each has items of one skill in one wording."""

from collections.abc import Callable
from typing import NamedTuple

from research.tasks.world import glossaries, records, statements, stories
from research.tasks.world.articles import article
from research.tasks.world.draw import Draw
from research.tasks.world.wordings import NAMELESS, NAMES, SKILLS, Skill

MOST_ITEMS = 8
QUESTIONS = ("Question: {} Answer: {}", "{} {}", "Q: {}\nA: {}")
CONSEQUENCES = ("{} So: {}", "{} That means: {}", "{} {}")
SUMMARIES = ("{}\nSummary: {}", "Text: {}\nIn short: {}", "{} To sum up: {}")
EXTRACTIONS = ("Text: {}\nRecord: {}", "{}\nFields: {}", "{} -> {}")
QUERIES = ("Table {}: {}\nQuestion: {}\nSQL: {}", "{}({})\n{}\nQuery: {}")


Labelled = Callable[..., list["Item"]]  # (draw, count of items or None)


class Item(NamedTuple):
    """A prompt and its answer.

    Attributes:
        prompt: Text that does not end with a space.
        answer: Text after the prompt.
    """

    prompt: str
    answer: str


def _item(pattern: str, *values: str, answer: str) -> Item:
    """An item of a pattern whose last slot is for the answer."""
    before, after = pattern.rsplit("{}", 1)
    return Item(before.format(*values).removesuffix(" "), f" {answer}{after}")


def labelled(skill: Skill) -> Labelled:
    """A function that draws documents of a skill's examples in one wording."""

    def document(draw: Draw, count: int | None = None) -> list[Item]:
        pattern, words = skill.wording(draw)
        count = count or 1 + draw.below(MOST_ITEMS)
        examples = [skill.draw(draw) for _ in range(count)]
        return [Item(pattern.format(**e.fields), f" {words[e.label]}") for e in examples]

    return document


def nameless(draw: Draw) -> list[Item]:
    """Examples of two labels, with label names that are used in this document only."""
    skill, pattern = draw.pick(tuple(SKILLS.values())), draw.pick(NAMELESS)
    names = dict(zip(draw.sample(skill.labels, 2), draw.sample(NAMES, 2), strict=True))
    items = []
    while len(items) < MOST_ITEMS:
        example = skill.draw(draw)
        if example.label in names:
            fields = example.text
            items.append(_item(pattern, fields, answer=names[example.label]))
    return items


def glossary(draw: Draw, count: int | None = None) -> list[Item]:
    """Words and the field or mood that they belong to."""
    make, pattern = glossaries.draw_glossary(draw)
    entries = [make(draw) for _ in range(count or 12)]
    return [_item(pattern, word, answer=label) for word, label in entries]


def consequences(draw: Draw) -> list[Item]:
    """Statements, each with a conclusion that follows from it."""
    pattern = draw.pick(CONSEQUENCES)
    pairs = [statements.consequence(draw) for _ in range(MOST_ITEMS)]
    return [_item(pattern, statement, answer=conclusion) for statement, conclusion in pairs]


def answers(draw: Draw) -> list[Item]:
    """A story and questions about it."""
    tale, pattern = stories.story(draw), draw.pick(QUESTIONS)
    first, *others = draw.sample(tale.questions(), 2 + draw.below(4))
    items = [_item("{}\n" + pattern, tale.text(), first[0], answer=first[1])]
    return items + [_item(pattern, question, answer=answer) for question, answer in others]


def summaries(draw: Draw) -> list[Item]:
    """Two stories, each with its summary."""
    pattern, tales = draw.pick(SUMMARIES), [stories.story(draw) for _ in range(2)]
    return [_item(pattern, tale.text(), answer=tale.summary()) for tale in tales]


def extractions(draw: Draw) -> list[Item]:
    """Up to four records as sentences, each with the same record in an exact format."""
    pattern, table = draw.pick(EXTRACTIONS), draw.pick(tuple(records.COLUMNS))
    style = draw.pick(("lines", "lines", "json"))
    rows = [records.draw_record(draw, table) for _ in range(1 + draw.below(4))]
    return [_item(pattern, row.sentence(draw), answer=row.written(style)) for row in rows]


def queries(draw: Draw) -> list[Item]:
    """Three questions about tables, each with its SQL."""
    pattern, drawn = draw.pick(QUERIES), [records.query(draw) for _ in range(3)]
    return [
        _item(pattern, table, ", ".join(records.COLUMNS[table]), question, answer=sql)
        for table, question, sql in drawn
    ]


def narrative(draw: Draw) -> list[Item]:
    """Plain text."""
    if draw.chance(0.5):
        return [Item(stories.story(draw).text(), "")]
    return [Item(" ".join(article(draw).fields["text"] for _ in range(4)), "")]


REVIEWS, ARTICLES, REQUESTS, STATEMENTS = (labelled(skill) for skill in SKILLS.values())
# (weight, kind of document); difficult skills have larger weights.
DOCUMENTS: tuple[tuple[int, Callable[[Draw], list[Item]]], ...] = (
    (10, REVIEWS),
    (6, ARTICLES),
    (6, REQUESTS),
    (10, STATEMENTS),
    (6, glossary),
    (4, consequences),
    (4, nameless),
    (1, answers),
    (1, summaries),
    (1, extractions),
    (1, queries),
    (1, narrative),
)
EXERCISES: tuple[tuple[int, Labelled], ...] = (
    (4, REVIEWS),
    (1, ARTICLES),
    (1, REQUESTS),
    (8, STATEMENTS),
    (1, glossary),
)
