"""Which demonstrations stand before which row, by every choice."""

import math
from collections import Counter

import numpy as np
import pytest

from research.common.errors import InputError
from research.tasks.encoding.demonstration_texts import demonstration_texts
from research.tasks.encoding.demonstrations import demonstration_sizes
from research.tasks.encoding.nearest import by_nearness
from research.tasks.encoding.tokenization import token_ids
from tests.tasks.encoders import POOL, TOKENIZER, encoder, example

TRAIN = [
    example("a good film!", "1"),
    example("bad, so bad.", "0"),
    example("the plot was thin", "0"),
    example("so good a plot", "1"),
    example("a film!", "1"),
]
TEST = [example("what a plot"), example("is it bad?", "0"), example("zzz")]


def vectors(train: list[str], texts: list[str]) -> np.ndarray:
    """TF-IDF by its formula: (1 + ln tf) (1 + ln((1 + n) / (1 + df))), rows of length one."""

    def words(text: str) -> list[str]:
        for mark in "!?.,":
            text = text.replace(mark, f" {mark} ")
        return text.lower().split()

    vocabulary = sorted({word for text in train for word in words(text)})
    df = Counter(word for text in train for word in set(words(text)))
    rows = np.zeros((len(texts), len(vocabulary)))
    for row, text in enumerate(texts):
        for word, tf in Counter(words(text)).items():
            if word in df:
                idf = 1 + math.log((1 + len(train)) / (1 + df[word]))
                rows[row, vocabulary.index(word)] = (1 + math.log(tf)) * idf
    return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)


def test_nearness_is_the_cosine_of_tfidf():
    train = [one.fields["text"] for one in TRAIN]
    texts = [one.fields["text"] for one in TEST]
    cosines = vectors(train, texts) @ vectors(train, train).T
    for places, cosine in zip(by_nearness(TRAIN, TEST), cosines, strict=True):
        assert places.tolist() == np.argsort(-np.round(cosine, 6), kind="stable").tolist()
    assert by_nearness(TRAIN, TEST)[2].tolist() == [0, 1, 2, 3, 4]  # no word in common


def test_an_example_of_train_is_not_its_own_neighbour():
    for place, places in enumerate(by_nearness(TRAIN, TRAIN)):
        assert sorted([*places, place]) == [0, 1, 2, 3, 4]


def test_train_without_a_word_is_refused():
    with pytest.raises(InputError, match="at least one text must hold a word"):
        by_nearness([example(" "), example("\t")], TEST)


def test_the_nearest_stands_last_before_each_row():
    made = encoder(room=500)
    found = demonstration_texts(made, "nearest", (TRAIN, TEST), seed=0, most=2)
    assert found.shared == 0 and found.count == 2
    texts = found.before[1]
    ranked = by_nearness(TRAIN, TEST)
    for text, places in zip(texts, ranked, strict=True):
        second, first = (TRAIN[place].fields["text"] for place in reversed(places[:2]))
        assert text.index(second) < text.index(first) and text.count("Review:") == 2
        assert text.endswith("\n\n")
    for one, text in zip(TRAIN, found.before[0], strict=True):
        assert f"Review: {one.fields['text']}\n" not in text
    assert found.added == round(sum(map(len, token_ids(TOKENIZER, texts))) / 3)


@pytest.mark.parametrize("choice", ["random", "nearest"])
@pytest.mark.parametrize("room", [60, 100, 300])
def test_as_many_as_fit(choice, room):
    made = encoder(room=room)
    splits = (POOL[:20], POOL[20:30], POOL[30:40])
    found = demonstration_texts(made, choice, splits, seed=0)
    rows = max(made.lengths([one for part in splits for one in part]))
    texts = [text for part in found.before for text in part]
    longest = 1 + max(map(len, token_ids(TOKENIZER, texts)), default=0)
    assert longest + rows <= room
    sizes = demonstration_sizes(made, POOL[:20])
    assert found.count or min(sizes) > room - rows - 1
    if choice == "random" and found.count < 20:  # nothing that was left out would fit
        assert longest + rows > room - max(sizes)


def test_random_demonstrations_are_drawn_whatever_their_class():
    made = encoder(room=2000)
    draws = [demonstration_texts(made, "random", (POOL, POOL), seed, most=4) for seed in range(12)]
    texts = [one.before[1][0] for one in draws]
    assert len(set(texts)) == 12 and {one.count for one in draws} == {4}
    assert {text.count("Sentiment: positive") for text in texts} > {1, 2}
    again = demonstration_texts(made, "random", (POOL, POOL), 3, most=4)
    assert again == draws[3]
    # Fewer of the same draw are its first ones.
    two = demonstration_texts(made, "random", (POOL, POOL), 3, most=2).before[1][0]
    assert texts[3].startswith(two)


@pytest.mark.parametrize("choice", ["balanced", "random", "nearest"])
def test_none_are_none(choice):
    found = demonstration_texts(encoder(), choice, (POOL, TEST), seed=0, most=0)
    assert not found.shared and not found.count and not found.added
    assert found.before == ((), ())
