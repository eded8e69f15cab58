"""Rows are tokenized together with the demonstrations before them."""

import random
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from research.tasks.encoding import demonstrations, joint
from research.tasks.encoding.demonstration_texts import demonstration_texts
from research.tasks.encoding.joint import joined_ids, joint_ids, tokens_within
from research.tasks.encoding.shared_prefix import share_prefix
from research.tasks.encoding.tokenization import token_ids
from research.tasks.prompts.template import Template
from tests.tasks.encoders import encoder, example
from tests.tasks.tokenizer_kinds import KINDS, MARKS

REAL = ("reviews-lm", "tinystories-656k", "all-MiniLM-L6-v2")
PLAIN = "the a good film so 1984 3.5 don't </s> (x) naïve 東京 Q: it's -- ..."
WORDS = [*PLAIN.split(), "\n", "\t", "", "z"]


@pytest.fixture(params=[*KINDS, *REAL])
def tokenizer(request: pytest.FixtureRequest) -> PreTrainedTokenizerFast:
    if request.param in REAL:
        models: Path = request.getfixturevalue("shared") / "models"
        return AutoTokenizer.from_pretrained(models / request.param)
    backend = KINDS[request.param]()
    backend.add_special_tokens(list(MARKS))
    return PreTrainedTokenizerFast(tokenizer_object=backend, pad_token="<pad>", bos_token="</s>")


def text(draw: random.Random, words: int) -> str:
    return " ".join(draw.choice(WORDS) for _ in range(words))


def test_ids_are_those_of_the_whole_text(tokenizer: PreTrainedTokenizerFast):
    draw = random.Random(0)
    for turn in range(60):
        begin = draw.choice(("Review: ", "", "\n", "\u3000", "1"))
        shots = [f"{begin}{text(draw, 12)}\nIt is {draw.choice(WORDS)}\n" for _ in range(4)]
        before = draw.choice(("", "\n")).join(shots) if turn % 6 else text(draw, 40)
        rows = [begin + text(draw, draw.randrange(9)) for _ in range(5)]
        whole = token_ids(tokenizer, [before + row for row in rows])
        assert joint_ids(tokenizer, before, rows) == whole
        assert joined_ids(tokenizer, [before] * 5, rows) == whole
        assert (
            joined_ids(tokenizer, [before, *rows[1:]], rows)[1]
            == token_ids(tokenizer, [rows[1] + rows[1]])[0]
        )


def test_only_the_last_lines_are_tokenized_with_each_row(monkeypatch: pytest.MonkeyPatch):
    tokenizer, lengths = encoder().tokenizer, []

    def counted(tokenizer, texts):
        lengths.extend(map(len, texts))
        return token_ids(tokenizer, texts)

    monkeypatch.setattr(joint, "token_ids", counted)
    before = "Review: a good film\nSentiment: positive\n\n" * 50
    joint_ids(tokenizer, before, [f"Review: bad {i}\nSentiment:" for i in range(100)])
    assert sum(lengths) < 2.1 * len(before) + 100 * 200


@pytest.mark.parametrize("template", ["Review: {text}\nIt is", "{text}\nIt is", "{text}"])
def test_rows_and_their_shared_prefix_are_the_whole_text(
    tokenizer: PreTrainedTokenizerFast, template: str
):
    how = {"route": "causal", "bos": "always"} if tokenizer.bos_token else {"route": "head"}
    made = encoder(tokenizer=tokenizer, template=Template(template), room=700, **how)
    train = [example(f"the film was so good {i}", str(i % 2)) for i in range(8)]
    test = [example(words) for words in ("bad", "a film", "\n", " so", "", "1")]
    shown = demonstration_texts(made, "balanced", (train, test), seed=0, most=2)
    special = made.special_tokens.prefix_ids
    rows = [made.examples(*pair) for pair in zip((train, test), shown.before, strict=True)]
    prefix, [_, own] = share_prefix(rows, special, shown.shared, least=1)
    assert shown.count == 4 and len(prefix) > shown.shared / 2
    for row, asked in enumerate(test):
        text = shown.before[1][row] + template.replace("{text}", asked.fields["text"]).rstrip()
        ids = [*prefix, *own.tokens[row, : own.prompt_length[row]].tolist()]
        assert ids == [*special, *token_ids(tokenizer, [text])[0]]
        target = own.tokens[row, own.prompt_length[row] : own.length[row]].tolist()
        assert (
            made.route == "head" or target == made.label_tokens().tokens[1, : len(target)].tolist()
        )
    assert own.prompt_length.min() >= 1


def test_an_empty_prompt_keeps_an_id_to_predict_from():
    made = encoder(template=Template("{text}"))
    bos = made.tokenizer.bos_token_id
    rows = made.examples([example(""), example("so")])
    prefix, [own] = share_prefix([rows], [bos], 0, least=1)
    assert prefix == [] and own.prompt_length[0] == 1 and own.tokens[:, 0].tolist() == [bos, bos]
    # Without an id before rows, BOS or EOS stands in the empty one.
    never = encoder(template=Template("{text}"), bos="never").examples([example(""), example("so")])
    assert never.tokens[0, 0] == bos and never.prompt_length[0] == 1
    assert share_prefix([never], [], 0, least=1)[0] == []
    # Encoders pool their first token, which stands before the row.
    prefix, [kept] = share_prefix([rows], [bos], 0, least=0)
    assert prefix == [bos] and kept.prompt_length[0] == 0


def test_the_prefix_ends_where_rows_differ():
    made = encoder()
    rows = made.examples([example("good"), example("bad")], ["a b c d e f g "] * 2)
    special = [1]
    for within in (0, 3, 100):
        prefix, [own] = share_prefix([rows], special, within, least=1)
        first, second = rows.tokens[:, : rows.prompt_length.min()]
        same = int(np.argmin(first == second))
        assert prefix == [1, *first[: min(within, same)].tolist()]
        np.testing.assert_array_equal(own.length + len(prefix) - 1, rows.length)


def test_no_rows_share_nothing():
    assert share_prefix([], [3], 5, least=1) == ([3], [])
    none = encoder().examples([])
    prefix, [same] = share_prefix([none], [3], 5, least=1)
    assert prefix == [3] and same is none


@pytest.mark.parametrize("positions", [374, 387, 400])
def test_a_demonstration_makes_way_where_the_whole_is_longer_than_its_parts(
    positions: int, monkeypatch: pytest.MonkeyPatch
):
    """Sizes are those of parts; where the whole is longer, no row is."""
    made = encoder(room=positions)
    room = positions - len(made.special_tokens.prefix_ids)
    splits = ([example(f"so bad {i}", str(i % 2)) for i in range(40)], [example("good film")])
    sized = demonstration_texts(made, "random", splits, seed=0)
    sizes = demonstrations.demonstration_sizes
    monkeypatch.setattr(
        demonstrations, "demonstration_sizes", lambda *a: [s - 3 for s in sizes(*a)]
    )
    smaller = demonstration_texts(made, "random", splits, seed=0)
    for shown in (sized, smaller):
        lengths = [made.lengths(*pair) for pair in zip(splits, shown.before, strict=True)]
        assert max(map(max, lengths)) <= room
    assert smaller.count >= sized.count > 10
    nearest = demonstration_texts(made, "nearest", splits, seed=0)
    lengths = [made.lengths(*pair) for pair in zip(splits, nearest.before, strict=True)]
    assert max(map(max, lengths)) <= room


def test_a_line_end_is_within_its_text(tokenizer: PreTrainedTokenizerFast):
    """Whatever follows, unless the tokenizer has a token for two of them."""
    text = "the film was so good\nIt is good\n\n"
    [ids] = token_ids(tokenizer, [f"{text}the"])
    within = tokens_within(tokenizer, text)
    assert tokens_within(tokenizer, "") == 0 < within < len(ids)
    [alone] = token_ids(tokenizer, [text])
    assert abs(within - len(alone)) <= 1


def test_a_tokenizer_of_few_words_keeps_the_tokens_before_an_unknown_one():
    """It has the same token for whatever follows."""
    backend = Tokenizer(models.WordLevel({"[UNK]": 0, "film": 1, "good": 2}, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]")
    assert tokens_within(tokenizer, "film good film\n\n") == 3
