"""The world's tokenizer: byte-level BPE trained on the corpus."""

from itertools import islice
from typing import TYPE_CHECKING

from research.tasks.world.corpus import corpus

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

PAD, BEGIN, END = SPECIALS = ("<pad>", "<s>", "</s>")
DOCUMENTS = 6000  # of the corpus; more of them change no merge worth having


def train_tokenizer(seed: int, entries: int, context: int) -> "PreTrainedTokenizerFast":
    """A tokenizer with `entries` ids: <pad> 0, <s> 1, </s> 2; digits and line ends stand alone.

    It puts <s> before a text, as documents have it in pretraining. context: the model's positions,
    for the record.
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
