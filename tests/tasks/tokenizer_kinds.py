"""Small tokenizers of four kinds, whose special tokens could also be spelled in a text."""

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers

from tests.tasks.encoders import byte_level

LETTERS = "abcdefghijklmnopqrstuvwxyzAEKMPS_<>/[]|!0 "
MARKS = ("<pad>", "</s>", "[SEP]", "[MASK]", "<|im_end|>", "<extra_id_0>")


def byte_bpe() -> Tokenizer:
    return byte_level().backend_tokenizer


def space_bpe() -> Tokenizer:
    """As Llama 2 and Mistral have it: a space before every text, and no words."""
    pieces = {
        piece: i for i, piece in enumerate([*MARKS, "<unk>", *LETTERS.replace(" ", "▁"), "▁s"])
    }
    tokenizer = Tokenizer(models.BPE(pieces, [("▁", "s")], unk_token="<unk>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]
    )
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    return tokenizer


def unigram() -> Tokenizer:
    """As T5 has it: its special tokens are pieces of the model, and the most probable ones."""
    pieces = [(mark, 0.0) for mark in (*MARKS, "<unk>")]
    pieces += [(letter, -3.0) for letter in LETTERS.replace(" ", "▁")]
    tokenizer = Tokenizer(models.Unigram(pieces, len(MARKS)))
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    return tokenizer


def word_piece() -> Tokenizer:
    """As BERT has it, but split at white space alone, so that `[SEP]` is a word."""
    pieces = [*MARKS, "[UNK]", *LETTERS, *(f"##{letter}" for letter in LETTERS)]
    vocabulary = {piece: i for i, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.Lowercase()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece(cleanup=False)
    return tokenizer


KINDS = {"byte BPE": byte_bpe, "space BPE": space_bpe, "Unigram": unigram, "WordPiece": word_piece}
