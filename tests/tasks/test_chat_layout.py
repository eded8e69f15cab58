"""Chat prompts have the ids that the tokenizer's own template gives to the whole conversation."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from transformers import PreTrainedTokenizerFast

from research.common.errors import InputError
from research.tasks.encoding.demonstration_texts import demonstration_texts
from research.tasks.encoding.demonstrations import demonstration_sizes, demonstration_text
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.row_format import RowFormat
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.encoding.tokenization import NONCE, special_ids, token_ids
from research.tasks.example import Example
from research.tasks.prompts.chat_layout import chat_template
from research.tasks.prompts.content_free import content_free_prompts
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText
from tests.tasks.chat_templates import FAMILIES, chat_tokenizer
from tests.tasks.encoders import TEMPLATE, TOKENIZER, byte_level, encoder, example

SHOTS = [example("a good film"), example("so bad", "0"), example("good", "1")]
ROW = example("not so bad")
SYSTEM = "You are a critic."
# Each family without and with a system turn where it has one; Qwen 3 with thoughts on as well.
CASES = [
    (name, system, thinking)
    for name, family in FAMILIES.items()
    for system in ("", SYSTEM)[: 1 + family.system]
    for thinking in (False, True)[: 1 + (name == "Qwen 3")]
]


def chat_encoder(name: str, **settings: Any) -> Encoder:
    return encoder(
        tokenizer=chat_tokenizer(name), room=10_000, layout=LayoutSettings(True, **settings)
    )


def applied(
    tokenizer: PreTrainedTokenizerFast, messages: Sequence[dict[str, str]], thinking: bool
) -> list[int]:
    """The ids of a conversation by the tokenizer's own template."""
    return tokenizer.apply_chat_template(  # pyright: ignore
        list(messages),
        add_generation_prompt=messages[-1]["role"] == "user",
        return_dict=False,
        enable_thinking=thinking,
    )


def conversation(
    made: Encoder, shots: Sequence[Example], row: Example, system: str = "", instruction: str = ""
) -> list[dict[str, str]]:
    """The messages of demonstrations and a row with its answer."""
    messages = [{"role": "system", "content": system}] if system else []
    for index, shot in enumerate([*shots, row]):
        text = made.template.fill(shot.fields)
        first = f"{instruction}\n\n{text}" if instruction and not index else text
        messages.append({"role": "user", "content": first})
        messages.append({"role": "assistant", "content": made.verbalizer.text(shot.label)})
    return messages


def encoded_row(made: Encoder, shots: Sequence[Example], row: Example) -> tuple[list[int], int]:
    """(ids of the row with its target, length of the prompt)."""
    rows = made.examples([row], [demonstration_text(made, shots)])
    ids = [*made.special_tokens.prefix_ids, *rows.tokens[0, : rows.length[0]].tolist()]
    return ids, len(made.special_tokens.prefix_ids) + int(rows.prompt_length[0])


@pytest.mark.parametrize("shots", range(4))
@pytest.mark.parametrize(("name", "system", "thinking"), CASES)
def test_ids_are_those_of_the_whole_conversation(name, system, thinking, shots):
    made = chat_encoder(name, system=system, thinking=thinking)
    tokenizer = chat_tokenizer(name)
    ids, prompt = encoded_row(made, SHOTS[:shots], ROW)
    messages = conversation(made, SHOTS[:shots], ROW, system)
    assert ids[:prompt] == applied(tokenizer, messages[:-1], thinking)
    if name == "Mistral v3" and system:  # a finished conversation has no system turn there
        messages = conversation(made, SHOTS[:shots], ROW)
        ids = applied(tokenizer, messages[:-1], thinking) + ids[prompt:]
    whole = applied(tokenizer, messages, thinking)
    assert whole[: len(ids)] == ids
    assert tokenizer.decode(whole[len(ids) :]).strip() == ""


@pytest.mark.parametrize("name", FAMILIES)
def test_a_label_stands_in_its_turn_and_the_target_ends_it(name):
    made, tokenizer = chat_encoder(name), chat_tokenizer(name)
    ids, prompt = encoded_row(made, (), ROW)
    assert tokenizer.decode(ids[prompt:], skip_special_tokens=True).strip() == "positive"
    special = special_ids(tokenizer)
    assert special & set(ids[prompt:])
    alone = encoder(tokenizer=tokenizer, room=10_000, layout=LayoutSettings(True), target_end=False)
    tokens, length = alone.label_tokens()
    assert not special & set(tokens[1, : length[1]].tolist())
    assert ids[prompt:][: length[1]] == tokens[1, : length[1]].tolist()


@pytest.mark.parametrize("name", FAMILIES)
def test_an_instruction_stands_once_at_the_beginning_of_the_first_user_turn(name):
    made, tokenizer = chat_encoder(name, instruction="Good or bad?"), chat_tokenizer(name)
    for shots in (SHOTS, ()):
        ids, prompt = encoded_row(made, shots, ROW)
        messages = conversation(made, shots, ROW, instruction="Good or bad?")
        assert ids[:prompt] == applied(tokenizer, messages[:-1], False)


def test_a_plain_instruction_stands_once_before_the_demonstrations():
    made = encoder(room=200, layout=LayoutSettings(instruction="Good or bad?"))
    plain = encoder(room=200)
    start, shots = "Good or bad?\n\n", demonstration_text(plain, SHOTS)
    assert demonstration_text(made, SHOTS) == start + shots
    [row] = made.prompts([ROW.fields])
    assert TOKENIZER.decode(row) == start + TEMPLATE.fill(ROW.fields)
    assert made.label_tokens()[0].tolist() == plain.label_tokens()[0].tolist()
    texts = demonstration_texts(made, "balanced", [[ROW], [ROW], [ROW]], 0, most=0)
    assert texts.before == ([start],) * 3 and texts.count == 0
    assert texts.added == texts.shared == len(TOKENIZER(start)["input_ids"]) - 1  # beside BOS


@pytest.mark.parametrize("name", FAMILIES)
def test_what_all_rows_share_is_counted(name):
    """The texts before the rows of a split are shared, as far as no row changes their tokens."""
    made = chat_encoder(name, system=SYSTEM if FAMILIES[name].system else "")
    rows = [[ROW, example("good")], [ROW], [ROW]]
    texts = demonstration_texts(made, "random", [SHOTS, *rows[1:]], 0, most=2)
    assert texts.count == 2 and texts.shared > 0
    [[ids]] = [token_ids(made.tokenizer, [texts.before[0][0]])]
    assert abs(len(ids) - texts.shared) <= 1
    assert texts.added > texts.shared


@pytest.mark.parametrize("name", FAMILIES)
def test_sizes_of_demonstrations_are_those_of_the_whole_text(name):
    made = chat_encoder(name)
    sizes = demonstration_sizes(made, SHOTS)
    [alone, *longer] = token_ids(
        made.tokenizer, [demonstration_text(made, SHOTS[:count]) for count in range(4)]
    )
    for count, ids in enumerate(longer, start=1):
        assert abs(len(ids) - len(alone) - sum(sizes[:count])) <= 2 * count


@pytest.mark.parametrize("name", FAMILIES)
def test_special_tokens_in_a_column_are_characters(name):
    family = FAMILIES[name]
    made = chat_encoder(name)
    ids, prompt = encoded_row(made, (), example(f"good {family.eos} film"))
    plain, _ = encoded_row(made, (), example("good film"))
    special = special_ids(made.tokenizer)
    assert [id for id in ids if id in special] == [id for id in plain if id in special]


@pytest.mark.parametrize("name", FAMILIES)
def test_bos_stands_where_the_template_writes_it(name):
    made, bos = chat_encoder(name), FAMILIES[name].bos
    writes = name not in ("Qwen 2.5", "Qwen 3", "Phi-3", "Zephyr")
    assert made.special_tokens.prefix_ids == () and made.has_bos == writes
    if bos is None:
        return
    always = replace(made, bos="always")
    assert always.has_bos
    assert always.special_tokens.prefix_ids == (() if writes else (made.tokenizer.bos_token_id,))
    if writes:
        with pytest.raises(InputError, match="bos is 'never': .* chat template writes BOS"):
            replace(made, bos="never")
    else:
        assert not replace(made, bos="never").has_bos


@pytest.mark.parametrize("name", ["Llama 3", "Gemma 2", "Llama 2"])
def test_a_template_that_trims_contents_sees_trimmed_ones(name):
    made = encoder(
        tokenizer=chat_tokenizer(name),
        template=Template(" {text}\n"),
        room=10_000,
        layout=LayoutSettings(True),
    )
    ids, prompt = encoded_row(made, (), ROW)
    messages = [{"role": "user", "content": f" {ROW.fields['text']}\n"}]
    assert ids[:prompt] == applied(chat_tokenizer(name), messages, False)


def test_only_the_column_is_truncated():
    made = encoder(
        tokenizer=chat_tokenizer("Llama 3"), room=60, too_long="cut", layout=LayoutSettings(True)
    )
    rows = made.examples([example("xyz " * 90)])
    assert rows.cut == 1 and rows.length[0] <= 60
    text = made.tokenizer.decode(rows.tokens[0, : rows.prompt_length[0]])
    head = "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
    tail = "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"
    assert text.startswith(f"{head}Review: xyz") and text.endswith(f"\nSentiment:{tail}")


def test_content_free_prompts_are_turns():
    made, tokenizer = chat_encoder("Gemma 2"), chat_tokenizer("Gemma 2")
    texts = content_free_prompts(made.template, "content_free")
    for text in (*texts, *content_free_prompts(made.template, "domain")):
        rows = made.ready(text)
        ids = rows.tokens[0, : rows.prompt_length[0]].tolist()
        assert ids == applied(tokenizer, [{"role": "user", "content": text}], False)


@pytest.mark.parametrize("name", FAMILIES)
def test_a_text_ends_as_an_answer_does(name):
    tokenizer, layout, row = chat_tokenizer(name), LayoutSettings(True), example("so", "two\nlines")
    options: dict[str, Any] = {"layout": layout, "most": 8, "model_ends": (3,)}
    made = TextEncoder(tokenizer, TEMPLATE, FreeText(), (), 10_000, **options)
    ids, prompt = encoded_row(made, SHOTS, row)
    whole = applied(tokenizer, conversation(made, SHOTS, row), False)
    assert whole[: len(ids)] == ids
    assert tokenizer.decode(whole[len(ids) :]).strip() == ""
    first = next(id for id in ids[prompt:] if id in special_ids(tokenizer))
    assert {first, tokenizer.eos_token_id, 3} <= set(made.ends)
    assert made.end_text == ""


def test_characters_end_a_text_where_the_template_has_no_special_token():
    tokenizer = byte_level(eos_token="</s>")
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m.role + ': ' + m.content + '###\n' }}{% endfor %}"
        "{% if add_generation_prompt %}{{ 'assistant:' }}{% endif %}"
    )
    made = TextEncoder(
        tokenizer, TEMPLATE, FreeText(), (), 999, layout=LayoutSettings(True), most=8
    )
    assert made.end_text == "###" and made.ends == (tokenizer.eos_token_id,)
    assert made.wording.answer_start == " "


@pytest.mark.parametrize(
    ("name", "settings", "message"),
    [
        ("Gemma 2", {"system": "Be brief."}, r"refuses a system turn \(System role not support"),
        ("Mistral v1", {"system": "Be brief."}, "refuses a system turn .*must alternate"),
        ("Llama 3", {"thinking": True}, "thinking is True: .* no switch for it"),
    ],
)
def test_what_a_template_does_not_have_is_one_sentence(name, settings, message):
    with pytest.raises(InputError, match=message) as caught:
        chat_encoder(name, **settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ messages[0].content }}{{ messages[0].content }}", "leaves out or repeats a text"),
        ("nothing", "leaves out or repeats a text"),
        ("{{ messages[0].content", "chat template fails"),
        ("{{ missing.field.other }}", "chat template fails"),
        (
            "{% for m in messages %}{{ m.content }}{{ '!' if m.role == 'assistant' }}{% endfor %}"
            "{% if add_generation_prompt %}{{ '<think>' }}{% endif %}",
            "ends a prompt with '<think>' but begins an answer with ''",
        ),
    ],
)
def test_a_template_of_no_use_is_one_sentence(template, message):
    tokenizer = byte_level(eos_token="</s>")
    tokenizer.chat_template = template
    with pytest.raises(InputError, match=message) as caught:
        encoder(tokenizer=tokenizer, layout=LayoutSettings(True))
    assert "\n" not in str(caught.value) and caught.value.field == "chat"


def test_a_system_turn_that_a_template_leaves_out_is_refused():
    tokenizer = byte_level(eos_token="</s>")
    tokenizer.chat_template = (
        "{% for m in messages if m.role != 'system' %}{{ m.content }}|{% endfor %}"
    )
    with pytest.raises(InputError, match="system is 'Be brief.': .* leaves the system turn out"):
        encoder(tokenizer=tokenizer, layout=LayoutSettings(True, system="Be brief."))


def test_a_tokenizer_without_template_and_other_routes_have_no_chat():
    assert chat_template(TOKENIZER) is None
    with pytest.raises(InputError, match="chat is True: the tokenizer has no chat template"):
        encoder(layout=LayoutSettings(True))
    tokenizer = chat_tokenizer("Qwen 3")
    for route in ("seq2seq", "masked", "head"):
        with pytest.raises(InputError, match=f"only decoders that answer with text .* {route}"):
            encoder(tokenizer=tokenizer, route=route, layout=LayoutSettings(True))


def test_several_templates_have_a_default():
    tokenizer = byte_level(eos_token="</s>")
    tokenizer.chat_template = {"default": "{{ messages[0].content }}", "tool_use": "x"}
    assert chat_template(tokenizer) == "{{ messages[0].content }}"
    tokenizer.chat_template = {"tool_use": "x", "rag": "y"}
    assert chat_template(tokenizer) is None


def test_prompts_do_not_depend_on_the_day():
    tokenizer = byte_level(eos_token="</s>")
    tokenizer.chat_template = (
        "{{ strftime_now('%d %b %Y') }}{% for m in messages %}|{{ m.content }}|{% endfor %}"
    )
    made = encoder(tokenizer=tokenizer, layout=LayoutSettings(True))
    assert made.wording.start == "26 Jul 2024|"


def test_white_space_at_the_end_of_a_template():
    """It stands where the tokenizer keeps it apart from the target, which has no space then."""
    text = "Review: {text}\nSentiment:\n"
    made = encoder(template=Template(text))
    ids, prompt = encoded_row(made, [SHOTS[0]], ROW)
    written = "Review: a good film\nSentiment:\npositive\n\nReview: not so bad\nSentiment:\n"
    assert TOKENIZER.decode(ids[1:prompt]) == written
    assert TOKENIZER.decode(ids[prompt:]) == "positive\n"
    assert ids[1:] == TOKENIZER(f"{written}positive\n", add_special_tokens=False)["input_ids"]
    with pytest.raises(InputError, match="ends in white space, which the tokenizer joins"):
        encoder(
            tokenizer=chat_tokenizer("Mistral v3"), template=Template("Review: {text}\nSentiment: ")
        )
    with pytest.raises(InputError, match="ends in white space"):
        encoder(
            tokenizer=byte_level(mask_token="[MASK]", cls_token="[CLS]", sep_token="[SEP]"),
            template=Template("{text}\n"),
            route="masked",
        )


def test_a_row_format_holds_in_another_process():
    """Where special tokens are marked in another way."""
    made = chat_encoder("Qwen 3", system=SYSTEM)
    row_format = RowFormat(made, demonstration_text(made, SHOTS))
    stored = json.loads(json.dumps(row_format.to_json()))
    assert RowFormat.from_json(stored, made.tokenizer, "format") == row_format
    other = "f" * len(NONCE)
    elsewhere = json.loads(json.dumps(stored).replace(NONCE, other))
    assert other in elsewhere["before"] and NONCE not in str(elsewhere)
    assert RowFormat.from_json(elsewhere, made.tokenizer, "format") == row_format
    with pytest.raises(InputError, match="format.chat_template is .* another chat template now"):
        RowFormat.from_json(stored, chat_tokenizer("Qwen 2.5"), "format")
