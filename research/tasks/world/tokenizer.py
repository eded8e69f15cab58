"""The tokenizer of the embedded benchmark: byte-level BPE trained on the corpus."""

from itertools import islice
from typing import TYPE_CHECKING

from research.tasks.world.corpus import corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BEGIN, END = SPECIALS = ("<pad>", "<s>", "</s>")
DOCUMENTS = 6000  # of the corpus; more hardly change the merges


def train_tokenizer(seed: int, entries: int, context: int) -> "PreTrainedTokenizerFast":
    """Trains a tokenizer.

    Ids 0 to 2 are <pad>, <s> and </s>; digits and newlines are single tokens. The tokenizer puts
    <s> before a text, as pretraining puts it before a document.

    Args:
        seed: Seed of the corpus.
        entries: Number of ids.
        context: Number of positions of the model, stored with the tokenizer.
    """
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
    from transformers import PreTrainedTokenizerFast

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(  # pyright: ignore
        [
            pre_tokenizers.Split("\n", "isolated"),
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()  # pyright: ignore
    trainer = trainers.BpeTrainer(
        vocab_size=entries,  # pyright: ignore
        special_tokens=list(SPECIALS),  # pyright: ignore
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),  # pyright: ignore
        show_progress=False,  # pyright: ignore
    )
    tokenizer.train_from_iterator(islice(corpus(seed), DOCUMENTS), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(  # pyright: ignore
        single=f"{BEGIN} $A", special_tokens=[(BEGIN, SPECIALS.index(BEGIN))]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=BEGIN,
        eos_token=END,
        pad_token=PAD,
        model_max_length=context,
        clean_up_tokenization_spaces=False,
    )
