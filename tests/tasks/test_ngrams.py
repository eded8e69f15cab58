"""n-grams as numbers, against tuples."""

import random

import numpy as np

from research.tasks.data_checks.ngrams import Vocabulary, normal, windows


def test_runs_of_symbols_have_equal_hashes_where_they_are_equal():
    draw = random.Random(0)
    texts = [[draw.randrange(3) for _ in range(draw.randrange(9))] for _ in range(60)]
    symbols = np.array([symbol for text in texts for symbol in text], np.uint64)
    for n in (1, 3, 5):
        hashes, rows = windows(symbols, np.array(list(map(len, texts))), n)
        slow = [
            (row, tuple(text[i : i + n]))
            for row, text in enumerate(texts)
            for i in range(len(text) - n + 1)
        ]
        assert rows.tolist() == [row for row, _ in slow]
        grams = [gram for _, gram in slow]
        assert len(set(hashes.tolist())) == len(set(grams))
        assert len(set(zip(hashes.tolist(), grams, strict=True))) == len(set(grams))


def test_nothing_is_a_window_of_nothing():
    hashes, rows = Vocabulary().grams(["", "two words"], 3)
    assert len(hashes) == len(rows) == 0


def test_words_have_one_number_in_all_calls():
    vocabulary = Vocabulary()
    first, _ = vocabulary.grams(["a b c"], 2)
    second, _ = vocabulary.grams(["x b c"], 2)
    assert first[1] == second[1] and first[0] != second[0]


def test_case_and_punctuation_do_not_count():
    assert normal("Well, it's  FINE!\n") == "well it s fine"
