"""Near duplicates, against all pairs compared one by one."""

import itertools
import random

from research.tasks.data_checks import near_duplicates
from research.tasks.data_checks.near_duplicates import alike


def jaccard(first: str, second: str) -> float:
    one, other = ({t[i : i + 5] for i in range(len(t) - 4)} for t in (first, second))
    return len(one & other) / len(one | other) if one | other else 0.0


def drawn(seed: int) -> list[str]:
    """Sentences of few words, and copies of them with some characters changed."""
    draw = random.Random(seed)
    words = [f"w{draw.randrange(10 ** draw.randrange(1, 7))}" for _ in range(60)]
    texts = ["", "abcd", "abcde"]
    for _ in range(60):
        text = list(" ".join(draw.choices(words, k=draw.randrange(1, 25))))
        texts.append("".join(text))
        for _ in range(draw.randrange(3)):
            text[draw.randrange(len(text))] = draw.choice("abc ")
            texts.append("".join(text))
    return list(dict.fromkeys(texts))


def test_pairs_are_those_of_brute_force():
    found, far = 0, 0
    for seed in range(2):
        texts = drawn(seed)
        pairs = itertools.combinations(range(len(texts)), 2)
        values = {pair: jaccard(texts[pair[0]], texts[pair[1]]) for pair in pairs}
        expected = sorted(pair for pair, value in values.items() if value >= 0.8)
        assert sorted(map(tuple, alike(texts).tolist())) == expected
        found += len(expected)
        far += sum(0.6 < value < 0.8 for value in values.values())
    assert found > 20 and far > 6  # so that the threshold is met from both sides


def test_parts_compared_apart_give_the_same(monkeypatch):
    texts = drawn(0)
    whole = alike(texts)
    monkeypatch.setattr(near_duplicates, "CHUNK", 3)
    assert (alike(texts) == whole).all()


def test_of_many_texts_the_beginnings_are_read(monkeypatch):
    texts = [f"{'the same beginning ' * 10}{end * 300}" for end in "ab"]
    assert not len(alike(texts))
    monkeypatch.setattr(near_duplicates, "HELD", 2 * 150)
    assert alike(texts).tolist() == [[0, 1]]


def test_no_texts_have_no_pairs():
    assert alike([]).shape == alike(["a text"]).shape == (0, 2)
