"""Chat templates that write what those of well-known models write, and small tokenizers for them.

Where a model's own template has tools, documents or checks of its input, these do not.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from tokenizers.trainers import BpeTrainer
from transformers import PreTrainedTokenizerFast

from tests.tasks.encoders import CORPUS, put_first

LLAMA_2 = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = '<<SYS>>\\n' + messages[0]['content'] + '\\n<</SYS>>\\n\\n' %}"
    "{% set rest = messages[1:] %}"
    "{% else %}{% set system = '' %}{% set rest = messages %}{% endif %}"
    "{% for message in rest %}"
    "{% set content = (system if loop.first else '') + message['content'] %}"
    "{% if message['role'] == 'user' %}"
    "{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
    "{% else %}{{ ' ' + content.strip() + ' ' + eos_token }}{% endif %}"
    "{% endfor %}"
)
LLAMA_3 = (
    "{% for message in messages %}"
    "{{ bos_token if loop.first else '' }}"
    "{{ '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' }}"
    "{{ message['content'] | trim + '<|eot_id|>' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}"
    "{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}"
)
MISTRAL_1 = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}"
    "{{ raise_exception('user and assistant must alternate') }}{% endif %}"
    "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
    "{% else %}{{ message['content'] + eos_token + ' ' }}{% endif %}"
    "{% endfor %}"
)
# The system turn stands in the last turn of the user, and nowhere in a conversation that ends with
# the assistant.
MISTRAL_3 = (
    "{% if messages[0]['role'] == 'system' %}"
    "{% set system = messages[0]['content'] %}{% set rest = messages[1:] %}"
    "{% else %}{% set rest = messages %}{% endif %}"
    "{{ bos_token }}"
    "{% for message in rest %}"
    "{% if message['role'] == 'user' %}"
    "{% if loop.last and system is defined %}"
    "{{ '[INST] ' + system + '\\n\\n' + message['content'] + '[/INST]' }}"
    "{% else %}{{ '[INST] ' + message['content'] + '[/INST]' }}{% endif %}"
    "{% else %}{{ ' ' + message['content'] | trim + eos_token }}{% endif %}"
    "{% endfor %}"
)
QWEN_2 = (
    "{% for message in messages %}"
    "{% if loop.first and message['role'] != 'system' %}"
    "{{ '<|im_start|>system\\nYou are a helpful assistant.<|im_end|>\\n' }}{% endif %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}"
)
# Thoughts are left out of all answers but the last.
QWEN_3 = (
    "{% set place = namespace(last=-1) %}"
    "{% for message in messages %}"
    "{% if message['role'] == 'user' %}{% set place.last = loop.index0 %}{% endif %}"
    "{% endfor %}"
    "{% for message in messages %}"
    "{{ '<|im_start|>' + message['role'] + '\\n' }}"
    "{% if message['role'] == 'assistant' and loop.index0 > place.last and loop.last %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}"
    "{{ message['content'] + '<|im_end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}"
    "{% if enable_thinking is defined and enable_thinking is false %}"
    "{{ '<think>\\n\\n</think>\\n\\n' }}{% endif %}{% endif %}"
)
GEMMA_2 = (
    "{{ bos_token }}"
    "{% if messages[0]['role'] == 'system' %}"
    "{{ raise_exception('System role not supported') }}{% endif %}"
    "{% for message in messages %}"
    "{% set role = 'model' if message['role'] == 'assistant' else message['role'] %}"
    "{{ '<start_of_turn>' + role + '\\n' + message['content'] | trim + '<end_of_turn>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<start_of_turn>model\\n' }}{% endif %}"
)
PHI_3 = (
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + '<|end|>\\n' }}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>\\n' }}{% else %}{{ eos_token }}{% endif %}"
)
ZEPHYR = (
    "{% for message in messages %}\n"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] + eos_token }}\n"
    "{% if loop.last and add_generation_prompt %}\n"
    "{{ '<|assistant|>' }}\n"
    "{% endif %}\n"
    "{% endfor %}"
)
OLMO_2 = (
    "{{ bos_token }}"
    "{% for message in messages %}"
    "{{ '<|' + message['role'] + '|>\\n' + message['content'] }}"
    "{{ eos_token if message['role'] == 'assistant' else '\\n' }}"
    "{{ '\\n' if message['role'] == 'assistant' and not loop.last else '' }}"
    "{% if loop.last and add_generation_prompt %}{{ '<|assistant|>\\n' }}{% endif %}"
    "{% endfor %}"
)
SMOLLM_2 = (
    "{% for message in messages %}"
    "{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are a helpful AI assistant<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)

# How GPT-4's kind of tokenizer splits a text before it merges bytes.
WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}"
    r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
TEXTS = (*CORPUS, "user\nassistant\nsystem\nmodel\n[INST] [/INST]", "You are a helpful assistant.")


class Family(NamedTuple):
    """A chat template and the tokenizer of its kind.

    Attributes:
        template: the chat template.
        bos: BOS, None for none.
        eos: EOS.
        special: further special tokens.
        kind: "bytes", "words" (bytes, split as in GPT-4), "space" (a space before every text) or
            "no space".
        strips: whether special tokens swallow the white space after them.
        system: whether the template has a system turn.
    """

    template: str
    bos: str | None
    eos: str
    special: tuple[str, ...] = ()
    kind: str = "words"
    strips: bool = False
    system: bool = True


CHATML = ("<|im_start|>", "<|im_end|>", "<|endoftext|>")
HEADERS = ("<|start_header_id|>", "<|end_header_id|>")
PHI_ROLES = ("<|end|>", "<|system|>", "<|user|>", "<|assistant|>")
FAMILIES = {
    "Llama 2": Family(LLAMA_2, "<s>", "</s>", kind="space"),
    "Llama 3": Family(LLAMA_3, "<|begin_of_text|>", "<|eot_id|>", HEADERS),
    "Mistral v1": Family(MISTRAL_1, "<s>", "</s>", kind="space", system=False),
    "Mistral v3": Family(MISTRAL_3, "<s>", "</s>", ("[INST]", "[/INST]"), kind="space"),
    "Qwen 2.5": Family(QWEN_2, None, "<|im_end|>", CHATML),
    "Qwen 3": Family(QWEN_3, None, "<|im_end|>", CHATML),
    "Gemma 2": Family(
        GEMMA_2,
        "<bos>",
        "<eos>",
        ("<start_of_turn>", "<end_of_turn>"),
        kind="no space",
        system=False,
    ),
    "Phi-3": Family(PHI_3, "<s>", "<|endoftext|>", PHI_ROLES, kind="space", strips=True),
    "Zephyr": Family(ZEPHYR, "<s>", "</s>", kind="space"),
    "OLMo 2": Family(OLMO_2, "<|endoftext|>", "<|endoftext|>"),
    "SmolLM2": Family(SMOLLM_2, "<|im_start|>", "<|im_end|>", CHATML, kind="bytes"),
}


@cache
def chat_tokenizer(name: str) -> PreTrainedTokenizerFast:
    """A small tokenizer of a family, with its chat template; it puts BOS before a text, if any."""
    family = FAMILIES[name]
    tokenizer = _spaces(family.kind) if "space" in family.kind else _bytes(family.kind)
    special = dict.fromkeys((family.bos, family.eos, *family.special))
    tokens = [token for token in special if token is not None]
    options = {"special": True, "normalized": False, "rstrip": family.strips}
    tokenizer.add_special_tokens([AddedToken(token, **options) for token in tokens])
    if "think" in family.template:
        tokenizer.add_tokens([AddedToken(t, normalized=False) for t in ("<think>", "</think>")])
    if family.bos is not None:
        put_first(tokenizer, family.bos)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=family.bos,
        eos_token=family.eos,
        chat_template=family.template,
    )


def _bytes(kind: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    split = pre_tokenizers.ByteLevel(add_prefix_space=False)
    if kind == "words":
        split = pre_tokenizers.Sequence(
            [
                pre_tokenizers.Split(Regex(WORDS), "isolated"),
                pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
            ]
        )
    tokenizer.pre_tokenizer = split
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = BpeTrainer(vocab_size=330, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def _spaces(kind: str) -> Tokenizer:
    """As SentencePiece's BPE: no words, pieces may begin with a space."""
    words = ("▁positive", "▁negative", "positive", "negative", "▁Review", "user", "assistant")
    merges = list(dict.fromkeys(pair for word in words for pair in _merges(word)))
    letters = "abcdefghijklmnopqrstuvwxyz0123456789<>[]|/_\n▁"
    characters = sorted({character for text in (*TEXTS, letters) for character in text})
    pieces = dict.fromkeys(["<unk>", *characters, *(left + right for left, right in merges)])
    vocabulary = {piece: index for index, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True))
    replace = normalizers.Replace(" ", "▁")
    first = [normalizers.Prepend("▁")] if kind == "space" else []
    tokenizer.normalizer = normalizers.Sequence([*first, replace])
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.Fuse()])
    return tokenizer


def _merges(word: str) -> Sequence[tuple[str, str]]:
    return [(word[:end], word[end]) for end in range(1, len(word))]
