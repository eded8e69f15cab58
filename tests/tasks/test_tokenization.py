"""Texts are characters for every kind of tokenizer; special tokens come from a wording alone."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tokenizers import AddedToken, Tokenizer, models, normalizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from research.tasks.encoding.row_format import RowFormat
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.encoding.tokenization import (
    TextTokenizer,
    are_apart,
    encode,
    following_ids,
    marked,
    token_ids,
)
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText, Verbalizer
from research.tasks.row_reader import RowReader
from tests.tasks.encoders import byte_level, encoder, example, prefix_ids
from tests.tasks.tokenizer_kinds import KINDS, MARKS

TEXT = "so </s> <pad>[SEP]x<|im_end|> <extra_id_0>"


@pytest.fixture(params=KINDS)
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    backend = KINDS[request.param]()
    backend.add_special_tokens(list(MARKS))
    backend.add_tokens([AddedToken("zz", normalized=False)])  # an ordinary token
    special: Any = dict(pad_token="<pad>", eos_token="</s>", sep_token="[SEP]", mask_token="[MASK]")
    return PreTrainedTokenizerFast(tokenizer_object=backend, **special)


def read(tokenizer: PreTrainedTokenizerFast, ids: Any) -> str:
    """The text of ids, as answers are read."""
    text = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    assert isinstance(text, str)
    return text


def as_read(tokenizer: PreTrainedTokenizerFast, text: str) -> str:
    """A lower-casing tokenizer gives lower case."""
    return text.lower() if isinstance(tokenizer.backend_tokenizer.model, models.WordPiece) else text


@pytest.mark.parametrize("text", [TEXT, "</s>", "a</s>", "</s></s>", "＜/s＞ so"])
def test_special_tokens_in_a_text_are_characters(tokenizer: PreTrainedTokenizerFast, text: str):
    [ids] = token_ids(tokenizer, [text])
    special = {tokenizer.get_vocab()[mark] for mark in MARKS}
    assert ids and not special & set(ids)
    if "＜" not in text:
        assert read(tokenizer, ids) == as_read(tokenizer, text)


@pytest.mark.parametrize("text", ["so a zz is", " a  b ", "", "azzb <b> c", "SO ｆ"])
def test_other_texts_have_the_ids_of_the_tokenizer(tokenizer: PreTrainedTokenizerFast, text: str):
    given = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    # The second text needs the copy, and the batch is encoded by it.
    alone, [beside, _] = encode(tokenizer, [text])[0], encode(tokenizer, [text, TEXT])
    assert alone.ids == beside.ids == given["input_ids"]
    assert alone.offsets == beside.offsets == given["offset_mapping"]
    assert "zz" not in text or tokenizer.convert_tokens_to_ids("zz") in alone.ids


def test_a_wording_keeps_its_special_tokens(tokenizer: PreTrainedTokenizerFast):
    wording = "so [MASK] is<|im_end|>"
    [ids] = token_ids(tokenizer, [marked(tokenizer, wording)])
    assert ids == tokenizer(wording, add_special_tokens=False)["input_ids"]
    assert tokenizer.mask_token_id in ids and TextTokenizer(tokenizer).marked("so") == "so"


def test_columns_and_demonstrations_are_texts(tokenizer: PreTrainedTokenizerFast):
    mark = tokenizer.convert_tokens_to_ids("<|im_end|>")
    made = encoder(
        tokenizer=tokenizer,
        template=Template("{text}<|im_end|> is"),
        verbalizer=Verbalizer({"0": "[SEP]", "1": "good"}, end="</s>"),
        separator="<pad>",
        room=500,
    )
    row = made.examples([example(TEXT, "0")])
    ids = row.tokens[0, : row.length[0]].tolist()
    special = [id for id in ids if id in map(tokenizer.convert_tokens_to_ids, MARKS)]
    assert special == [mark, tokenizer.eos_token_id]
    assert read(tokenizer, ids[: ids.index(mark)]) == as_read(tokenizer, TEXT)
    target = row.tokens[0, row.prompt_length[0] : row.length[0]]
    assert read(tokenizer, target).strip() == as_read(tokenizer, "[SEP]")
    shot = prefix_ids(made, [example(TEXT, "0")])
    special = [id for id in shot if id in map(tokenizer.convert_tokens_to_ids, MARKS)]
    assert special == [mark, tokenizer.eos_token_id, tokenizer.pad_token_id]


def test_texts_are_cut_by_characters(tokenizer: PreTrainedTokenizerFast):
    made = encoder(tokenizer=tokenizer, template=Template("{text}<|im_end|> is"), too_long="cut")
    row = made.examples([example(TEXT * 9)])
    ids = row.tokens[0, : row.prompt_length[0]].tolist()
    assert row.cut == 1 and ids.count(tokenizer.convert_tokens_to_ids("<|im_end|>")) == 1
    kept = read(tokenizer, ids[: ids.index(tokenizer.convert_tokens_to_ids("<|im_end|>"))])
    assert kept and as_read(tokenizer, TEXT * 9).startswith(kept)


def test_a_text_to_generate_comes_back(tokenizer: PreTrainedTokenizerFast):
    fields: Any = dict(room=200, most=64)
    made = TextEncoder(tokenizer, Template("{text}:"), FreeText(end=""), (), **fields)
    pair = Example({"text": "so"}, TEXT, (TEXT,))
    row = made.training([pair])
    target = row.tokens[0, row.prompt_length[0] : row.length[0]]
    assert target[-1] == tokenizer.eos_token_id
    assert read(tokenizer, target).strip() == as_read(tokenizer, TEXT)


def test_requests_are_texts(tokenizer: PreTrainedTokenizerFast):
    template = Template("{text}<|im_end|> is")
    swept = encoder(tokenizer=tokenizer, template=template, room=100)
    row = RowFormat(swept, reader=RowReader(strip=False)).encoded({"text": TEXT})
    np.testing.assert_array_equal(
        row.tokens[0, : row.prompt_length[0]], swept.prompts([{"text": TEXT}])[0]
    )


def test_a_token_of_one_character_is_that_character():
    """CLIP and others pad with `!`, which texts have too."""
    tokenizer = byte_level(pad_token="!", eos_token="</s>")
    expected = tokenizer("so!", add_special_tokens=False)["input_ids"]
    assert token_ids(tokenizer, ["so!", "</s>!"])[0] == expected
    assert expected[-1] == tokenizer.pad_token_id == token_ids(tokenizer, ["</s>!"])[0][-1]


@pytest.mark.parametrize("name", ["reviews-lm", "tinystories-656k", "all-MiniLM-L6-v2"])
def test_real_tokenizers(shared: Path, name: str):
    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / name)
    text = "a " + " ".join(tokenizer.all_special_tokens) + " film"
    plain = "A wörld of “quotes”,  東京 and\n\nlines. "
    ids, beside = token_ids(tokenizer, [text, plain])
    assert not set(ids) & set(tokenizer.all_special_ids)
    unspaced = read(tokenizer, ids).replace(" ", "")
    assert unspaced == (text.lower() if "MiniLM" in name else text).replace(" ", "")
    assert beside == token_ids(tokenizer, [plain])[0]
    assert beside == tokenizer(plain, add_special_tokens=False)["input_ids"]


def test_a_text_that_the_tokenizer_joins_with_the_one_before_it_has_no_space():
    """Though the tokenizer puts one before every text, as that of Llama 2 does."""
    pieces = {piece: i for i, piece in enumerate(["▁", *"x[]ab", "]a"])}
    backend = Tokenizer(models.BPE(pieces, [("]", "a")]))
    backend.normalizer = normalizers.Prepend("▁")
    tokenizer: Any = PreTrainedTokenizerFast(tokenizer_object=backend)
    a, b = pieces["a"], pieces["b"]
    assert following_ids(tokenizer, ["b", "ab"], "[b]") == [[b], [a, b]]
    assert are_apart(tokenizer, "[b]", ["b"]) and not are_apart(tokenizer, "[b]", ["b", "ab"])
    assert token_ids(tokenizer, ["ab"]) == [[pieces["▁"], a, b]]
