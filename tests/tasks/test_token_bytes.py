"""The bytes of tokens make the decoded text, for every kind of tokenizer that has them."""

import pytest
from tokenizers import AddedToken, Tokenizer, decoders, models
from transformers import PreTrainedTokenizerFast

from research.common.errors import InputError
from research.tasks.encoding.token_bytes import token_bytes
from tests import films
from tests.tasks.tokenizer_kinds import KINDS, MARKS

TEXTS = ("so a zz is", "a  b", "azzb <b> c", "AEK")


def fast(backend: Tokenizer) -> PreTrainedTokenizerFast:
    backend.add_special_tokens(list(MARKS))
    backend.add_tokens([AddedToken("zz", normalized=False)])
    return PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="</s>")


@pytest.mark.parametrize("kind", [kind for kind in KINDS if kind != "WordPiece"])
def test_they_make_the_text(kind: str):
    tokenizer = fast(KINDS[kind]())
    pieces = token_bytes(tokenizer)
    for text in TEXTS:
        ids = tokenizer.encode(text, add_special_tokens=False)
        made = b"".join(pieces[id] for id in ids).decode()
        assert made.lstrip(" ") == str(tokenizer.decode(ids)).lstrip(" ") and made.strip()
    assert not any(pieces[id] for id in tokenizer.all_special_ids)


def test_parts_of_a_character():
    tokenizer = films.tokenizer()
    pieces = token_bytes(tokenizer)
    for text in ("é日本\t", "a\nb"):
        ids = tokenizer.encode(text, add_special_tokens=False)
        assert b"".join(pieces[id] for id in ids) == text.encode()


def test_bytes_of_sentence_piece():
    vocabulary = {"<unk>": 0, "▁a": 1, "<0x0A>": 2, "<0xC3>": 3, "<0xA9>": 4}
    backend = Tokenizer(models.BPE(vocabulary, [], byte_fallback=True, unk_token="<unk>"))
    backend.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    assert token_bytes(tokenizer) == [b"", b" a", b"\n", b"\xc3", b"\xa9"]
    assert tokenizer.decode([1, 2, 3, 4]) == " a\né"


def test_words_are_joined_by_spaces():
    backend = Tokenizer(models.WordLevel({"<unk>": 0, "a": 1, "b": 2}, unk_token="<unk>"))
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>")
    assert token_bytes(tokenizer) == [b"", b" a", b" b"] and tokenizer.decode([1, 2]) == "a b"


def test_tokens_that_depend_on_their_neighbours():
    with pytest.raises(InputError, match="supports byte-level and SentencePiece tokenizers"):
        token_bytes(fast(KINDS["WordPiece"]()))
