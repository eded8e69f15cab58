"""F1 of entities and relations against plain lists, and what an answer names."""

import json
from pathlib import Path

import numpy as np
import pytest

from research.common.errors import InputError
from research.tasks.example import grouped
from research.tasks.metrics.extraction import Entity, parse_extraction
from research.tasks.metrics.extraction_f1 import extraction_score
from tests.tasks.text_tasks import task

CURIE = {"text": "Marie Curie", "type": "PER"}
WARSAW = {"text": "Warsaw", "type": "LOC"}
BORN = {"type": "born in", "head": CURIE, "tail": WARSAW}


def written(entities=(), relations=()) -> str:
    return json.dumps({"entities": list(entities), "relations": list(relations)})


def drawn(rng: np.random.Generator) -> str:
    """A random answer, in which entities may repeat."""
    entities = [
        {"text": str(rng.choice(["a", "b c"])), "type": str(rng.choice(["X", "Y"]))}
        for _ in range(rng.integers(0, 5))
    ]
    pairs = rng.integers(0, len(entities), (rng.integers(0, 4), 2)) if entities else []
    relations = [
        {"type": str(rng.choice(["r", "s"])), "head": entities[i], "tail": entities[j]}
        for i, j in pairs
    ]
    return written(entities, relations)


def plain(field: str, outputs: list[str], references: list[str]) -> float:
    """Each predicted one is right if it is among the gold ones that no other has used."""
    right = predicted = gold = 0
    for output, reference in zip(outputs, references, strict=True):
        answers, left = json.loads(output)[field], list(json.loads(reference)[field])
        predicted, gold = predicted + len(answers), gold + len(left)
        for answer in answers:
            if answer in left:
                left.remove(answer)
                right += 1
    if predicted + gold == 0:
        return 1.0
    if right == 0:
        return 0.0
    precision, recall = right / predicted, right / gold
    return 2 * precision * recall / (precision + recall)


@pytest.mark.parametrize("name, field", [("entity_f1", "entities"), ("relation_f1", "relations")])
def test_scores_are_those_of_the_plain_formula(name: str, field: str):
    rng = np.random.default_rng(0)
    for items in (1, 2, 30):
        outputs, references = ([drawn(rng) for _ in range(items)] for _ in range(2))
        pairs = [(text,) for text in references]
        score, without = extraction_score(name, outputs, pairs)
        assert score == pytest.approx(plain(field, outputs, references))
        left = [
            plain(field, outputs[:i] + outputs[i + 1 :], references[:i] + references[i + 1 :])
            for i in range(items)
        ]
        np.testing.assert_allclose(without, left if items > 1 else [score])
    assert 0 < score < 1


def test_spans_and_types_are_exact():
    gold = [(written([CURIE, WARSAW], [BORN]),)]
    for output, entities, relations in (
        (written([WARSAW, CURIE], [BORN]), 1, 1),
        (written([CURIE]), 2 / 3, 0),
        (written([CURIE, CURIE]), 1 / 2, 0),
        (written([{**CURIE, "type": "LOC"}, WARSAW], [{**BORN, "head": WARSAW}]), 1 / 2, 0),
        (written([{**CURIE, "text": "Curie"}, WARSAW], [{**BORN, "type": "died in"}]), 1 / 2, 0),
        (written([{**CURIE, "text": " Marie\n Curie "}, WARSAW]), 1, 0),
        (written([{**CURIE, "start": 0}, WARSAW]), 1 / 2, 0),
        (json.dumps([CURIE, WARSAW]), 1, 0),
        ("PER: Marie Curie; LOC: Warsaw; PER: Marie Curie | born in | LOC: Warsaw", 1, 1),
        ("LOC: Warsaw\nPER:Marie Curie\n", 1, 0),
        ("LOC: Warsaw; Marie Curie; PER Marie | x", 2 / 3, 0),
        ("none", 0, 0),
        ("", 0, 0),
        (written([CURIE])[:-1], 0, 0),
        ('{"people": []}', 0, 0),
        ('[{"text": "", "type": "PER"}]', 0, 0),
        ('[{"text": "Warsaw", "type": "LOC", "start": "3"}]', 0, 0),
        ("[3]", 0, 0),
    ):
        assert extraction_score("entity_f1", [output], gold)[0] == pytest.approx(entities), output
        assert extraction_score("relation_f1", [output], gold)[0] == pytest.approx(relations)


def test_a_colon_of_the_text_is_part_of_it():
    [entity] = parse_extraction("TIME: 12:30").entities
    assert entity == Entity("TIME", "12:30")
    assert parse_extraction("none") == parse_extraction("[]")


def extraction_task(answers: list[str], **changes):
    examples = grouped(({"text": f"text {i}"}, [text]) for i, text in enumerate(answers))
    return task(train=examples, test=examples, **{"metric": "entity_f1", **changes})


def test_the_metrics_of_a_task():
    """The headline is micro-averaged, and relations are measured where an answer has some."""
    people = extraction_task([json.dumps([CURIE, WARSAW]), json.dumps([CURIE])])
    scored = people.judged([json.dumps([CURIE, CURIE]), "[]"], [("PER: Marie Curie",), ("none",)])
    assert "relation_f1" not in scored.items
    assert list(scored.items["entity_f1"]) == pytest.approx([2 / 3, 1])
    assert scored.metrics()["entity_f1"] == pytest.approx(2 / 3)
    both = extraction_task([written([CURIE, WARSAW], [BORN])])
    assert {"entity_f1", "relation_f1"} <= both.item_metrics.keys()


@pytest.mark.parametrize(
    "changes, message",
    [
        (dict(answers=["Marie Curie"]), "example 1 of train is 'Marie Curie': .*TYPE: text"),
        (dict(answers=['[{"text": "a"}]']), "an object with text, type is expected"),
        (dict(answers=["none"]), "metric is 'entity_f1': no answer of test names one"),
        (dict(answers=["X: a"], metric="relation_f1"), "no answer of test names one"),
    ],
)
def test_references_that_are_refused(changes, message: str):
    with pytest.raises(InputError, match=message):
        extraction_task(**changes)


def test_there_is_one_reference(tmp_path: Path):
    twice = grouped([({"text": "a"}, ["X: a", "X: b"])])
    with pytest.raises(InputError, match="the metric 'entity_f1' compares with one answer"):
        task(metric="entity_f1", train=twice, test=twice)
