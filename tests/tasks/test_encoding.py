import time
from pathlib import Path

import numpy as np
import pytest
from tokenizers import normalizers, processors
from transformers import AutoTokenizer

from research.common.errors import InputError
from research.tasks.encoding.demonstrations import demonstration_sizes, demonstrations
from research.tasks.encoding.special_tokens import special_tokens
from research.tasks.encoding.tokenization import token_ids
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer
from tests.tasks.encoders import (
    POOL,
    TEMPLATE,
    TOKENIZER,
    VERBALIZER,
    byte_level,
    encoder,
    example,
    prefix_ids,
    space_first,
)


def test_a_row_is_prompt_and_target_and_nothing_else():
    encoded = encoder().examples([example("a good film"), example("bad", "0")])
    assert encoded.tokens.dtype == np.int32 and encoded.cut == 0
    np.testing.assert_array_equal(encoded.label, [1, 0])
    texts = ["Review: a good film\nSentiment: positive\n", "Review: bad\nSentiment: negative\n"]
    for row, text in enumerate(texts):
        ids, start = encoded.tokens[row], encoded.prompt_length[row]
        assert TOKENIZER.decode(ids[: encoded.length[row]]) == text
        assert TOKENIZER.decode(ids[:start]) == text[: text.rindex(":") + 1]
        assert not ids[encoded.length[row] :].any()
    assert encoded.tokens.shape == (2, encoded.length.max())


def test_rows_end_in_the_label_tokens():
    tokens, length = encoder().label_tokens()
    encoded = encoder().examples([example("x", "0"), example("y", "1")])
    for row in range(2):
        target = encoded.tokens[row, encoded.prompt_length[row] : encoded.length[row]]
        np.testing.assert_array_equal(target, tokens[row, : length[row]])
        assert TOKENIZER.decode(target) == VERBALIZER.target(str(row))


def test_the_order_of_labels_is_that_of_the_task():
    tokens, _ = encoder().label_tokens()
    swapped, _ = encoder(labels=("1", "0")).label_tokens()
    np.testing.assert_array_equal(tokens, swapped[::-1])
    np.testing.assert_array_equal(
        encoder(labels=("1", "0")).examples([example("x", "0")]).label, [1]
    )


def test_the_prefix_is_the_only_place_of_the_beginning_token():
    bos = TOKENIZER.bos_token_id
    assert prefix_ids(encoder()) == [bos]
    assert prefix_ids(encoder(tokenizer=byte_level())) == []
    shots = [example("a good film"), example("bad", "0")]
    ids = prefix_ids(encoder(), shots)
    assert ids.count(bos) == 1 and ids[0] == bos
    written = "Review: a good film\nSentiment: positive\n\nReview: bad\nSentiment: negative\n\n"
    assert TOKENIZER.decode(ids[1:]) == written
    joined = prefix_ids(encoder(separator=""), shots)
    assert TOKENIZER.decode(joined[1:]) == written.replace("\n\n", "\n")


def test_a_demonstration_has_the_ids_of_a_row():
    row = encoder().examples([example("a good film")])
    ids = prefix_ids(encoder(separator=""), [example("a good film")])
    np.testing.assert_array_equal(row.tokens[0], ids[1:])


def test_a_target_does_not_get_a_second_space():
    tokenizer = space_first()
    made = encoder(tokenizer=tokenizer)
    tokens, length = made.label_tokens()
    pieces = tokenizer.convert_ids_to_tokens(tokens[1, : length[1]])
    assert pieces == ["▁", *"positive\n"]
    assert tokenizer.convert_ids_to_tokens(prefix_ids(made, [example("so")])[-2:]) == ["\n", "\n"]


def test_a_label_that_begins_another_needs_an_end():
    texts = {"0": "good", "1": "good film"}
    encoder(verbalizer=Verbalizer(texts))
    with pytest.raises(InputError, match="also begin the target of label '1'"):
        encoder(verbalizer=Verbalizer(texts, end=""))


def test_labels_with_the_same_ids_are_refused():
    tokenizer = byte_level()
    tokenizer.backend_tokenizer.normalizer = normalizers.Lowercase()
    with pytest.raises(InputError, match="also begin the target"):
        encoder(tokenizer=tokenizer, verbalizer=Verbalizer({"0": "Good", "1": "good"}))


@pytest.mark.thorough
def test_thousands_of_labels_are_compared_in_seconds():
    labels = tuple(f"label {i}" for i in range(8000))
    begun = time.process_time()
    encoder(labels=labels, verbalizer=Verbalizer({label: label for label in labels}))
    assert time.process_time() - begun < 5  # each with each other takes 10


def test_too_long_rows_are_an_error_that_counts():
    rows = [example("xyz " * 20), example("good"), example("xyz " * 30)]
    made = encoder()
    longest = len(TOKENIZER(TEMPLATE.fill(rows[2].fields), add_special_tokens=False)["input_ids"])
    limit = 60 - made.label_tokens()[1].max()
    message = f"2 of 3 prompts are longer than the {limit} tokens .* longest has {longest}; 'cut'"
    with pytest.raises(InputError, match=message):
        made.examples(rows)
    with pytest.raises(InputError, match="too_long is 'drop': allowed are error, cut"):
        encoder(too_long="drop")


@pytest.mark.parametrize(
    "text", ["bad film, " * 30, "ü€𝄞" * 30, "x" * 500, "a " + "\n \n" * 60 + "b"]
)
def test_only_the_text_is_cut_and_from_its_end(text: str):
    made = encoder(too_long="cut")
    encoded = made.examples([example("good", "0"), example(text)])
    assert encoded.cut == 1
    assert encoded.prompt_length[1] + made.label_tokens()[1].max() <= 60
    prompt = TOKENIZER.decode(encoded.tokens[1, : encoded.prompt_length[1]])
    head, tail = TEMPLATE.text.split("{text}")
    assert prompt.startswith(head) and prompt.endswith(tail)
    kept = prompt.removeprefix(head).removesuffix(tail)
    assert text.startswith(kept) and kept
    np.testing.assert_array_equal(
        encoded.tokens[0, : encoded.length[0]],
        made.examples([example("good", "0")]).tokens[0],
    )


def test_a_cut_row_fills_the_room():
    encoded = encoder(too_long="cut").examples([example("x" * 500)])
    assert encoded.prompt_length[0] == 60 - encoder().label_tokens()[1].max()


def test_long_texts_are_not_tokenized_as_a_whole(monkeypatch: pytest.MonkeyPatch):
    """And are cut as if they were; white space may take few tokens."""
    texts = ["bad film, " * 5_000, " " * 3_000 + "so " * 9_000, "good", "x" * 20_000]
    columns = [Example({"text": text, "more": text[::-1]}, "1") for text in texts]
    made = encoder(too_long="cut", template=Template("{text} | {more}\nSentiment:"))
    sizes: list[int] = []

    def counted(tokenizer, texts):
        sizes.extend(map(len, texts))
        return token_ids(tokenizer, texts)

    for module in ("prompt_encoder", "truncation", "joint"):
        monkeypatch.setattr(f"research.tasks.encoding.{module}.token_ids", counted)
    clipped = made.examples(columns)
    assert clipped.cut == 3 and max(sizes) < 10_000
    monkeypatch.setattr(
        "research.tasks.encoding.prompt_encoder.clip", lambda tokenizer, fields, most: fields
    )
    whole = made.examples(columns)
    np.testing.assert_array_equal(clipped.tokens, whole.tokens)
    assert max(sizes) > 50_000


def test_the_longest_column_is_cut_first():
    template = Template("{a}|{b}|{c}:")
    made = encoder(template=template, too_long="cut", room=70)
    row = Example({"a": "x" * 200, "b": "y" * 12, "c": "z" * 180}, "1")
    encoded = made.examples([row])
    a, b, c = TOKENIZER.decode(encoded.tokens[0, : encoded.prompt_length[0]]).rstrip(":").split("|")
    assert b == "y" * 12
    assert len(a) > 12 and abs(len(a) - len(c)) <= 1


def test_a_template_that_cannot_fit_is_an_error():
    size = len(TOKENIZER(TEMPLATE.fill({"text": ""}), add_special_tokens=False)["input_ids"])
    room = size + encoder().label_tokens()[1].max()
    with pytest.raises(
        InputError, match=f"it takes {size} tokens without any text, and {size} are"
    ):
        encoder(room=room, too_long="cut").examples([example("xyz")])
    with pytest.raises(InputError, match="are left for a prompt"):
        encoder(room=2, too_long="cut").examples([example("xyz")])


def test_every_length_counts_the_longest_label():
    rows = [example("good"), example("a good film, not bad", "1")]
    encoded = encoder().examples(rows)
    lengths = encoder().label_tokens()[1]
    assert lengths[0] != lengths[1]
    assert max(encoder().lengths(rows)) == encoded.prompt_length.max() + lengths.max()


def test_head_keeps_the_first_rows():
    encoded = encoder().examples([example("good", "0"), example("bad"), example("film")])
    first = encoded.head(1)
    assert [
        len(part) for part in (first.tokens, first.length, first.prompt_length, first.label)
    ] == [1] * 4
    np.testing.assert_array_equal(first.tokens[0], encoded.tokens[0])


def test_no_examples_give_no_rows():
    encoded = encoder().examples([])
    assert encoded.tokens.shape == (0, 0) and encoded.cut == 0


@pytest.mark.parametrize("room", [0, 1, 20, 100, 200, 500, 5000])
def test_demonstrations_fit_and_are_balanced(room: int):
    made = encoder()
    shots = demonstrations(made, POOL, room, seed=0)
    count, rarer = len(shots), [shot.label for shot in shots].count("1")
    assert count == 1 or rarer == min(count // 2, 20)
    assert all(shot in POOL for shot in shots) and len({id(shot) for shot in shots}) == count
    assert not shots or len(prefix_ids(made, shots)) <= room
    sizes = [len(prefix_ids(made, [shot])) - 1 for shot in POOL]
    assert bool(shots) == (room > min(sizes)) and (count > 1) == (room > 2 * max(sizes))
    if room == 5000:
        assert count == 60  # when the rarer class has none left, the other one goes on
    elif count > 1:
        assert len(prefix_ids(made, shots)) > room - 2 * max(sizes)


def test_demonstrations_run_out_or_are_limited():
    few = POOL[:9]
    assert len(demonstrations(encoder(), few, 10_000, seed=0)) == 9
    assert len(demonstrations(encoder(), few, 10_000, seed=0, most=4)) == 7
    assert len(demonstrations(encoder(), POOL, 10_000, seed=0, most=2)) == 4
    assert demonstrations(encoder(), POOL, 10_000, seed=0, most=0) == ()


@pytest.mark.parametrize("seed", range(4))
def test_a_class_without_examples_takes_no_room(seed: int):
    """The others have their demonstrations, and the room is shared by them alone."""
    made = encoder(labels=("0", "1", "2"), verbalizer=Verbalizer({**VERBALIZER.texts, "2": "so"}))
    with_it = demonstrations(made, POOL, 300, seed)
    assert {shot.label for shot in with_it} == {"0", "1"}
    assert with_it == demonstrations(encoder(), POOL, 300, seed)


@pytest.mark.parametrize("room", [40, 100, 400])
def test_as_many_classes_stand_there_as_fit(room: int):
    """Where there is no room for a round, a part of one is taken, other classes by seed."""
    names = [f"{i}" for i in range(40)]
    texts = Verbalizer({name: f"label {name}" for name in names})
    made = encoder(labels=tuple(names), verbalizer=texts)
    pool = [example(f"bad {i}", name) for i, name in enumerate([*names, *names])]
    draws = [demonstrations(made, pool, room, seed) for seed in range(5)]
    sizes = demonstration_sizes(made, pool)
    for shots in draws:
        labels = [shot.label for shot in shots]
        assert len(set(labels)) == len(labels) >= (room - 1) // max(sizes)
        assert len(prefix_ids(made, shots)) <= room
    assert len({frozenset(shot.label for shot in shots) for shots in draws}) == 5


def test_demonstrations_pass_over_what_is_too_long():
    pool = [example("bad " * 100, "1"), example("good", "1"), example("film", "0")]
    for seed in range(5):
        assert len(demonstrations(encoder(), pool, 120, seed)) == 2


def test_the_seed_decides_which_demonstrations_and_their_order():
    made = encoder()
    draws = [demonstrations(made, POOL, 300, seed) for seed in range(10)]
    assert draws[3] == demonstrations(made, POOL, 300, seed=3)
    assert len({tuple(shot.fields["text"] for shot in draw) for draw in draws}) == 10
    orders = {tuple(shot.label for shot in draw) for draw in draws}
    assert len(orders) > 3  # not always class after class


def test_a_real_tokenizer_joins_to_the_same_text(shared: Path):
    tokenizer = AutoTokenizer.from_pretrained(shared / "models/reviews-lm")
    made = encoder(tokenizer=tokenizer)
    encoded = made.examples([example("a wörld  of “quotes” and </s>")])
    ids = encoded.tokens[0, : encoded.length[0]]
    assert tokenizer.decode(ids) == ("Review: a wörld  of “quotes” and </s>\nSentiment: positive\n")
    alone = tokenizer(" positive\n", add_special_tokens=False)["input_ids"]
    np.testing.assert_array_equal(ids[encoded.prompt_length[0] :], alone)


SEVERAL = Verbalizer({"0": ("bad", "so bad"), "1": ("good", "good film", "a good film")})


def test_all_texts_of_a_label_are_encoded_and_the_first_is_trained_on():
    made = encoder(verbalizer=SEVERAL)
    texts, labels = made.texts(), made.label_tokens()
    written = [
        TOKENIZER.decode(ids[:length])
        for ids, length in zip(*map(np.asarray, texts.targets), strict=True)
    ]
    assert written == [" bad\n", " so bad\n", " good\n", " good film\n", " a good film\n"]
    np.testing.assert_array_equal(texts.owner, [0, 0, 1, 1, 1])
    np.testing.assert_array_equal(texts.size, [3, 6, 4, 9, 11])
    for label, place in enumerate((0, 2)):
        ids = texts.targets.tokens[place, : texts.targets.length[place]]
        np.testing.assert_array_equal(ids, labels.tokens[label, : labels.length[label]])
    # A row has room for the longest text.
    assert made.lengths([example("x")]) == made.lengths([example("x", "0")])
    assert TOKENIZER.decode(prefix_ids(made, [example("x")])).endswith("Sentiment: good\n\n")


def test_one_text_each_is_what_is_trained_on():
    texts, labels = encoder().texts(), encoder().label_tokens()
    np.testing.assert_array_equal(texts.targets.tokens, labels.tokens)
    np.testing.assert_array_equal(texts.owner, [0, 1])


@pytest.mark.parametrize("texts", [("good", "good film"), ("good film", "good")])
def test_a_text_may_not_begin_another_of_its_own_label(texts: tuple[str, ...]):
    """Else the longer one's probability would count twice."""
    with pytest.raises(InputError, match="'good': its .* also begin the target of label '1'"):
        encoder(verbalizer=Verbalizer({"0": "bad", "1": texts}, end=""))


def test_a_ready_prompt_stands_after_the_text_of_each_row():
    made = encoder()
    texts = ["one\n", "and two\n"]
    rows = made.ready("N/A:", texts)
    for row, begin in enumerate(texts):
        assert TOKENIZER.decode(rows.tokens[row, : rows.prompt_length[row]]) == f"{begin}N/A:"
    alone = made.ready("N/A:")
    assert TOKENIZER.decode(alone.tokens[0, : alone.prompt_length[0]]) == "N/A:"
    beside = made.examples([example("good"), example("bad")], texts)
    plain = made.examples([example("good"), example("bad")])
    sizes = [len(ids) for ids in token_ids(TOKENIZER, texts)]
    np.testing.assert_array_equal(beside.prompt_length - plain.prompt_length, sizes)


@pytest.mark.parametrize("bos, stands", [("tokenizer", None), ("always", True), ("never", False)])
@pytest.mark.parametrize("before_texts", [True, False])
def test_bos_stands_where_the_tokenizer_puts_it_or_as_is_set(bos, stands, before_texts: bool):
    """GPT-2, SmolLM2 and Pythia have a BOS, and their tokenizers never put it."""
    tokenizer = byte_level(before_texts, bos_token="<s>")
    made = encoder(tokenizer=tokenizer, bos=bos)
    expected = [tokenizer.bos_token_id] if (before_texts if stands is None else stands) else []
    assert prefix_ids(made) == expected
    shots = prefix_ids(made, [example("a good film")])
    assert shots[: len(expected)] == expected and shots.count(tokenizer.bos_token_id) == len(
        expected
    )


def test_bos_is_checked():
    with pytest.raises(InputError, match="bos is 'yes': allowed are always, never, tokenizer"):
        prefix_ids(encoder(bos="yes"))
    with pytest.raises(InputError, match="tokenizer is .*: it has no bos token"):
        prefix_ids(encoder(tokenizer=byte_level(), bos="always"))
    with pytest.raises(InputError, match="bos is 'never': there is no choice on the"):
        encoder(tokenizer=byte_level(eos_token="</s>"), route="seq2seq", bos="never")


@pytest.mark.parametrize(
    "name, token", [("reviews-lm", None), ("tinystories-656k", "<|start_story|>")]
)
def test_real_tokenizers_are_followed(shared: Path, name: str, token: str | None):
    tokenizer = AutoTokenizer.from_pretrained(shared / "models" / name)
    ids = prefix_ids(encoder(tokenizer=tokenizer))
    assert tokenizer.convert_ids_to_tokens(ids) == ([] if token is None else [token])
    assert ids == tokenizer("x")["input_ids"][: len(ids)]


def around_head(tokenizer) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The ids before and after the rows of a classification head."""
    special = special_tokens("head", tokenizer)
    return special.prefix_ids, special.suffix_ids


def test_a_head_reads_rows_as_the_tokenizer_ends_a_text():
    """T5's has neither CLS nor SEP."""
    tokenizer = byte_level(bos_token="<s>", eos_token="</s>", before_texts=False)
    bos, eos = tokenizer.bos_token_id, tokenizer.eos_token_id
    assert around_head(tokenizer) == ((), (eos,))  # though it puts nothing there
    ids = [("<s>", bos), ("</s>", eos)]
    for form, expected in (("$A </s>", ((), (eos,))), ("<s> $A </s> <s>", ((bos,), (eos, bos)))):
        template = processors.TemplateProcessing(form, special_tokens=ids)
        tokenizer.backend_tokenizer.post_processor = template
        assert around_head(tokenizer) == expected
    with pytest.raises(InputError, match="it has no eos token"):
        special_tokens("head", byte_level())
    both = byte_level(cls_token="[CLS]", sep_token="[SEP]", eos_token="</s>")
    assert around_head(both) == ((both.cls_token_id,), (both.sep_token_id,))
    with pytest.raises(InputError, match="it has no sep token"):
        special_tokens("head", byte_level(cls_token="[CLS]", eos_token="</s>"))


def lossy(**special: str):
    """A tokenizer that drops a character, as BERT's drops the replacement character."""
    tokenizer = byte_level(**special)
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\ufffd", "")
    return tokenizer


@pytest.mark.parametrize("route", ["causal", "seq2seq", "masked"])
def test_a_label_without_tokens_is_refused_by_name(route):
    """Its score would be 0, above all others, or that of its end alone."""
    special = {name: f"[{name}]" for name in ("eos_token", "cls_token", "sep_token", "mask_token")}
    tokenizer = lossy(**special)
    texts = Verbalizer({"0": "good", "1": ("bad", "\ufffd")})
    allowed = r"verbalizer\['1'\] is '\ufffd': the tokenizer makes no tokens of it"
    with pytest.raises(InputError, match=allowed):
        encoder(tokenizer=tokenizer, verbalizer=texts, route=route)
    encoder(tokenizer=byte_level(**special), verbalizer=texts, route=route)
