"""A tiny task, its tokenizers and its encoder."""

from collections.abc import Sequence

from tokenizers import (
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)
from transformers import PreTrainedTokenizerFast

from research.tasks.encoding.demonstrations import demonstration_text
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.tokenization import token_ids
from research.tasks.example import Example
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import Verbalizer

CORPUS = [
    "Review: a good film\nSentiment: positive\n",
    "Review: bad, so bad\nSentiment: negative\n",
]
TEMPLATE = Template("Review: {text}\nSentiment:")
VERBALIZER = Verbalizer({"0": "negative", "1": "positive"})


def byte_level(before_texts: bool = True, **special: str) -> PreTrainedTokenizerFast:
    """A tiny tokenizer of the GPT-2 kind, which can write any text; it puts BOS before it, if any.

    `before_texts` is False where it does not, though there is a BOS.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=275, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(CORPUS, trainer)
    tokenizer.add_special_tokens([*special.values()])
    bos = special.get("bos_token")
    if bos and before_texts:
        put_first(tokenizer, bos)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **special)


def put_first(tokenizer: Tokenizer, token: str) -> None:
    """Lets the tokenizer put a special token before every text."""
    ids = [(token, tokenizer.token_to_id(token))]
    tokenizer.post_processor = processors.TemplateProcessing(f"{token} $A", special_tokens=ids)


def space_first() -> PreTrainedTokenizerFast:
    """A tokenizer of the first Llama's kind: a space goes before whatever it is given."""
    letters = sorted(set("".join(CORPUS)) - {" "})
    vocabulary = {piece: place for place, piece in enumerate(["▁", *letters])}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer)


TOKENIZER = byte_level(bos_token="<s>")


def encoder(**changes: object) -> Encoder:
    settings = {
        "tokenizer": TOKENIZER,
        "template": TEMPLATE,
        "verbalizer": VERBALIZER,
        "labels": ("0", "1"),
        "room": 60,
    }
    return Encoder(**(settings | changes))  # pyright: ignore[reportArgumentType]


def prefix_ids(made: Encoder, shots: Sequence[Example] = ()) -> list[int]:
    """Ids before every row with these demonstrations."""
    [ids] = token_ids(made.tokenizer, [demonstration_text(made, shots)])
    return [*made.special_tokens.prefix_ids, *ids]


def example(text: str, label: str = "1") -> Example:
    return Example({"text": text}, label)


POOL = [example(f"{'so ' * (i % 5)}bad {i}", str(i % 3 % 2)) for i in range(60)]
