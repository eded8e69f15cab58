"""Token ids by text are computed once, within a bound on their bytes."""

from collections.abc import Sequence

from research.tasks.encoding.token_cache import ENTRY_BYTES, TokenCache

LONG = "x " * 400  # of 800 bytes, more than one part in 16 of the bound


class Words:
    """A tokenizer whose ids are the lengths of the words; it lists the texts of each call."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[list[int]]:
        self.calls.append([*texts])
        return [[len(word) for word in text.split()] for text in texts]


def test_a_text_is_tokenized_once():
    words = Words()
    cache = TokenCache(words)
    assert cache(["a bc", "", "a bc"]) == [[1, 2], [], [1, 2]]
    assert cache(["", "def", "a bc"]) == [[], [3], [1, 2]]
    assert words.calls == [["a bc", ""], ["def"]]
    assert cache([]) == [] and len(words.calls) == 2


def test_a_caller_may_change_its_lists():
    cache = TokenCache(Words())
    [first], [second] = cache(["a bc"]), cache(["a bc"])
    first.append(7)
    second.clear()
    assert cache(["a bc"]) == [[1, 2]]


def test_the_least_recently_used_texts_are_dropped():
    words = Words()
    cache = TokenCache(words, most=20 * (ENTRY_BYTES + 2))
    texts = [f"{number:04d}" for number in range(20)]  # of one id each, of two bytes
    cache(texts)
    cache(texts[:1])  # used again
    cache(["9999"])
    words.calls.clear()
    cache([texts[0], *texts[2:], "9999"])
    assert words.calls == []
    cache([texts[1]])
    assert words.calls == [[texts[1]]]


def test_ids_of_large_vocabularies_are_kept_whole():
    cache = TokenCache(lambda texts: [[2**16 - 1], [2**16, 1]][: len(texts)])
    for _ in range(2):
        assert cache(["a", "b"]) == [[2**16 - 1], [2**16, 1]]


def test_a_large_text_drops_no_others():
    words = Words()
    cache = TokenCache(words, most=20 * (ENTRY_BYTES + 2))
    cache(["0001", LONG])
    words.calls.clear()
    assert cache(["0001", LONG]) == [[4], [1] * 400]
    assert words.calls == [[LONG]]
