"""The corpus: same bits everywhere, free of the tasks' texts, ignorant of the novel domain."""

import hashlib
from itertools import islice

import pytest

from research.common.errors import InputError
from research.tasks.world import RECIPES, VERSION, WorldTask, corpus
from research.tasks.world.draw import Draw
from research.tasks.world.novel import GOODS, JUDGEMENTS
from research.tasks.world.records import draw_record, query
from research.tasks.world.stories import story
from research.tasks.world.wordings import SKILLS

CHECKSUM = "8beacef19c3fbf18"
CHANGED = (
    "the corpus changed: raise VERSION in research/tasks/world/corpus.py, make the checkpoint "
    "again (scripts/pretrain.py), then put the new version and checksum here"
)


@pytest.fixture(scope="module")
def documents() -> list[str]:
    return list(islice(corpus(0), 3000))


def test_the_corpus_is_the_same_everywhere(documents):
    digest = hashlib.sha256("\0".join(documents[:500]).encode()).hexdigest()[:16]
    assert (VERSION, digest) == (2, CHECKSUM), CHANGED


def test_splits_and_seeds_differ(documents):
    other = {*islice(corpus(0, "heldout"), 500), *islice(corpus(1), 500)}
    assert len(other & set(documents)) < 5  # a few one-line documents may coincide


def test_an_unknown_split_is_refused():
    with pytest.raises(InputError, match="split is 'held-out': did you mean 'heldout'"):
        next(corpus(0, "held-out"))  # pyright: ignore


@pytest.mark.parametrize("name", RECIPES)
def test_no_text_of_a_task_stands_in_the_corpus(documents, name):
    """Not even as a part of a longer text: they hold clauses that the corpus never tells."""
    task = WorldTask(name, train=200, test=200, ood=200).load()
    everything = "\n".join(documents)
    texts = [next(iter(e.fields.values())) for split in task.splits.values() for e in split]
    assert [text for text in texts if text in everything] == []


def test_the_novel_words_are_not_in_the_corpus(documents):
    known = set("".join(c if c.isalpha() else " " for c in " ".join(documents).lower()).split())
    assert known.isdisjoint((*JUDGEMENTS[0], *JUDGEMENTS[1], *GOODS))


def test_no_prompt_of_a_task_is_a_wording_of_the_corpus():
    draw, known = Draw(0, "test"), set()
    for skill in SKILLS.values():
        known |= {skill.wording(draw)[0] for _ in range(4000)}
    prompts = {text for recipe in RECIPES.values() for text in recipe.templates}
    assert len(known) > 300 and known.isdisjoint(prompts)


def test_every_skill_is_taught(documents):
    everything = "\n".join(documents)
    for sign in ("Verdict: ", "Topic: ", "Intent: ", "Follows: ", "SELECT ", "Summary: ", "Q: "):
        assert everything.count(sign) > 20, sign


def test_an_extraction_says_what_the_record_says():
    draw = Draw(0, "test")
    for _ in range(50):
        drawn = draw_record(draw, draw.pick(("hotels", "staff", "films")))
        told, written = drawn.sentence(draw), drawn.written()
        assert all(str(value) in told for value in drawn.row.values())
        assert all(f"{column}: {value}" in written for column, value in drawn.row.items())


def test_a_query_uses_the_values_of_its_question():
    draw = Draw(0, "test")
    for _ in range(50):
        _, question, sql = query(draw)
        values = [word.strip("';") for word in sql.split(" WHERE ")[1].split() if word[0] in "'0"]
        assert all(value in question for value in values)


def test_a_story_holds_its_answers():
    draw = Draw(0, "test")
    for _ in range(50):
        tale = story(draw)
        assert all(answer in tale.text() for _, answer in tale.questions())


def test_shares_do_not_overlap():
    draw = Draw(0, "test")
    core = {RECIPES["topic"].draw(draw, "core", False).fields["text"] for _ in range(300)}
    assert not any(word in text for text in core for word in ("race", "cheese", "airport"))


def test_choices_are_even():
    draw = Draw(0, "test")
    counts = [0] * 5
    for _ in range(5000):
        counts[draw.below(5)] += 1
    assert min(counts) > 900
