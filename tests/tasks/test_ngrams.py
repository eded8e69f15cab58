"""n-grams as numbers, against tuples."""

import random

import numpy as np

from research.tasks.data_checks.ngrams import Vocabulary, normal, windows, windows_of_size
from research.tasks.words import words


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


def test_windows_of_a_size_end_with_the_symbol_that_reaches_it():
    draw = random.Random(1)
    texts = [[draw.randrange(3) for _ in range(draw.randrange(12))] for _ in range(60)]
    size_of = [1, 2, 5]
    symbols = np.array([symbol for text in texts for symbol in text], np.int64)
    sizes = np.array(size_of)[symbols]
    for least in (1, 4, 7):
        slow = []
        for row, text in enumerate(texts):
            for begin in range(len(text)):
                parts = [text[begin:end] for end in range(begin + 1, len(text) + 1)]
                reached = [part for part in parts if sum(size_of[x] for x in part) >= least]
                slow += [(row, tuple(reached[0]))] if reached else []
        hashes, rows = windows_of_size(symbols, sizes, np.array(list(map(len, texts))), least)
        assert rows.tolist() == [row for row, _ in slow]
        grams = [gram for _, gram in slow]
        assert len(set(hashes.tolist())) == len(set(grams))
        assert len(set(zip(hashes.tolist(), grams, strict=True))) == len(set(grams))


def test_twenty_letters_without_spaces_are_as_long_as_eight_words():
    chinese, mixed = "昨天早上我们在火车站等了两个小时才拿到", "在 Paris 的三个朋友 and 我"
    assert len(words(chinese)) == 19 and len(Vocabulary().grams([chinese], 8)[0]) == 0
    assert len(Vocabulary().grams([f"{chinese}票。"], 8)[0]) == 1
    assert len(Vocabulary().grams([mixed], 4)[0]) == 2  # 7 letters and 2 words: 24 fifths
    assert len(Vocabulary().grams(["a b c d e f g h", "a b c d e f g"], 8)[0]) == 1


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
