"""The messages of a row's prompts."""

from typing import Any

import pytest

from research.evaluation.answer_sources.conversation import Conversation, DemonstrationDraw
from research.tasks.encoding.demonstrations import (
    demonstrations,
    nearest_demonstrations,
    random_demonstrations,
)
from research.tasks.example import Example
from research.tasks.prompts.layout import LayoutSettings
from tests.tasks.encoders import TEMPLATE, VERBALIZER, encoder

ROOM = 10_000  # for all demonstrations
TRAIN = tuple(Example({"text": f"film {i} so {'ab'[i % 2]}"}, str(int(i < 5))) for i in range(12))
ROWS = (Example({"text": "film 3"}, "1"), Example({"text": "so b"}, "0"))


def conversation(draw: DemonstrationDraw, **layout: Any) -> Conversation:
    return Conversation(TEMPLATE, VERBALIZER, LayoutSettings(True, **layout), draw)


def test_an_instruction_begins_the_first_user_turn():
    no_draw = DemonstrationDraw(TRAIN, ("0", "1"))
    first, _ = conversation(no_draw).messages(ROWS)
    assert first == [{"role": "user", "content": "Review: film 3\nSentiment:"}]
    layout = {"system": "Be short.", "instruction": "Good or bad?"}
    draw = DemonstrationDraw(TRAIN, ("0", "1"), count=1)
    messages, _ = conversation(draw, **layout).messages(ROWS)
    assert [message["role"] for message in messages] == [
        "system",
        *("user", "assistant") * 2,
        "user",
    ]
    assert messages[0]["content"] == "Be short."
    assert messages[1]["content"].startswith("Good or bad?\n\nReview: film ")
    assert {messages[2]["content"], messages[4]["content"]} == {"negative", "positive"}
    assert messages[5]["content"] == "Review: film 3\nSentiment:"


@pytest.mark.parametrize("seed", [0, 1, 7])
@pytest.mark.parametrize("count", [0, 1, 3, 9])
def test_demonstrations_are_those_of_a_backbone_with_room(seed: int, count: int):
    def drawn(choice) -> DemonstrationDraw:
        return DemonstrationDraw(TRAIN, ("0", "1"), count=count, choice=choice, seed=seed)

    balanced, random, nearest = map(drawn, ("balanced", "random", "nearest"))
    made = encoder(room=ROOM)
    expected = demonstrations(made, TRAIN, ROOM, seed, count)
    assert [tuple(shots) for shots in balanced.before(ROWS)] == [expected] * 2
    assert balanced.size == len(expected)
    expected = random_demonstrations(made, TRAIN, ROOM, seed, count)
    assert tuple(random.before(ROWS)[0]) == expected and random.size == len(expected)
    expected = nearest_demonstrations(made, TRAIN, ROWS, ROOM, count)
    assert [list(shots) for shots in nearest.before(ROWS)] == expected and nearest.size == count
