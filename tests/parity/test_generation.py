"""Greedy decoding and beam search against `generate` of transformers, token for token."""

from dataclasses import replace

import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights
from research.models.backbone import load_backbone, load_tokenizer
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded
from tests import checkpoints
from tests.parity.backbones import ENCODERS
from tests.tiny import predictor

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from tests.parity.reference import theirs  # noqa: E402

GREEDY = [
    name
    for name, fields in checkpoints.VARIANTS.items()
    if fields["model_type"] not in ENCODERS
    and "EncoderModel" not in "".join(fields.get("architectures", ()))
]
GREEDY += ["stories260K"]  # which has no tokenizer
BEAMS = [
    "gpt2",
    "llama, grouped keys",
    "mistral",
    "qwen3, biases, windows in some layers",
    "t5",
    "t5 1.1",
]
TOKENS = 12
SEARCHES = [
    dict(num_beams=2, length_penalty=0.5),
    dict(num_beams=4, length_penalty=1.0),
    dict(num_beams=4, length_penalty=2.0),
]
STOPS = [
    dict(num_beams=2, length_penalty=2.0, early_stopping=True),
    dict(num_beams=4, length_penalty=0.5, early_stopping="never"),
    dict(num_beams=4, length_penalty=-1.0, early_stopping="never"),
]


def encoded(prompts) -> Encoded:
    length = np.array([len(ids) for ids in prompts], np.int32)
    tokens = np.zeros((len(prompts), length.max()), np.int32)
    for row, ids in enumerate(prompts):
        tokens[row, : len(ids)] = ids
    return Encoded(tokens, length, length, np.zeros_like(length), cut=0)


def ours(backbone, prompts, decoding, ends, prefix=()):
    """[(tokens, score)] of all prompts after a prefix, as one batch of rows with padding."""
    result = predictor(backbone.model).generate(
        AdaptedWeights((), backbone.params),
        EncodedPrompts(encoded(prompts), prompt_frame(prefix)),
        decoding,
        ends=ends,
        batch_size=len(prompts) + 1,
    )
    rows = zip(result.tokens, result.length, result.score, strict=True)
    return [(list(tokens[:length]), score) for tokens, length, score in rows]


def expected(model, prompts, decoding, ends):
    """[(tokens, score)] of all prompts, one at a time without padding."""
    model.generation_config.eos_token_id = list(ends) or None
    model.generation_config.pad_token_id = 0
    found = []
    for prompt in prompts:
        options = dict(max_new_tokens=decoding.max_new_tokens, num_beams=decoding.num_beams)
        if decoding.num_beams > 1:
            options["length_penalty"] = decoding.length_penalty
            options["early_stopping"] = decoding.early_stopping
        if decoding.no_repeat_ngram_size is not None:
            options["no_repeat_ngram_size"] = decoding.no_repeat_ngram_size
        result = model.generate(
            torch.tensor([prompt]).long(),
            # Without one, tokens of a prompt that equal the padding would be masked.
            attention_mask=torch.ones(1, len(prompt), dtype=torch.long),
            do_sample=False,
            use_cache=False,  # of a T5 with more layers in its decoder it would be too small
            output_scores=True,
            return_dict_in_generate=True,
            **options,
        )
        skipped = 1 if model.config.is_encoder_decoder else len(prompt)
        tokens = result.sequences[0, skipped:].tolist()
        ending = [place + 1 for place, token in enumerate(tokens) if token in ends]
        tokens = tokens[: min(ending, default=len(tokens))]
        if decoding.num_beams > 1:
            score = result.sequences_scores[0].item()
        else:
            steps = model.compute_transition_scores(
                result.sequences, result.scores, normalize_logits=True
            )
            score = steps.sum().item()
        found.append((tokens, score))
    return found


def assert_equal(backbone, reference, prompts, decoding, ends=()):
    """Returns the lengths of what both generate. A penalty below 0 makes a product of a sum of
    log-probabilities and its length, and of the sum's rounding as well.
    """
    mine = ours(backbone, prompts, decoding, ends)
    other = expected(reference, prompts, decoding, ends)
    for (tokens, score), (their_tokens, their_score) in zip(mine, other, strict=True):
        assert tokens == their_tokens
        penalty = decoding.length_penalty if decoding.num_beams > 1 else 0.0
        times = max(1.0, len(tokens) ** -penalty) if tokens else 1.0
        assert score == pytest.approx(their_score, abs=1e-4 * times)
    return [len(tokens) for tokens, _ in mine]


def random_prompts(size):
    draw = np.random.default_rng(4)
    return [draw.integers(3, size, length).tolist() for length in (9, 4, 1, 7, 2, 5)]


def early(reference, prompts):
    """Two tokens that greedy texts have in their middle, and not all at the same place."""
    texts = [tokens for tokens, _ in expected(reference, prompts[:2], Decoding(TOKENS), ())]
    return texts[0][3], texts[1][6]


@pytest.mark.parametrize("name", GREEDY)
def test_greedy(checkpoint, name):
    folder = checkpoint(name)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    prompts = random_prompts(backbone.model.config.vocab_size)
    ends = early(reference, prompts)
    lengths = assert_equal(backbone, reference, prompts, Decoding(TOKENS), ends)
    assert min(lengths) < max(lengths)  # rows end one by one


@pytest.mark.parametrize("variant", BEAMS)
def test_beams(checkpoint, variant):
    folder = checkpoint(variant)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    prompts = random_prompts(backbone.model.config.vocab_size)
    ends, lengths = early(reference, prompts), []
    for settings in SEARCHES:
        lengths += assert_equal(backbone, reference, prompts, Decoding(TOKENS, **settings), ends)
    assert min(lengths) < TOKENS
    whole = assert_equal(backbone, reference, prompts, Decoding(TOKENS, **SEARCHES[1]))
    assert whole == [TOKENS] * len(prompts)


@pytest.mark.parametrize("settings", STOPS, ids=str)
def test_when_a_row_of_beams_is_done(checkpoint, settings):
    folder = checkpoint("llama, grouped keys")
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    prompts = random_prompts(backbone.model.config.vocab_size)
    ends, decoding = early(reference, prompts), Decoding(TOKENS, **settings)
    for stop in (ends, ends[:1], ()):
        assert_equal(backbone, reference, prompts, decoding, stop)


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize("size", [1, 2])
def test_no_ngram_stands_twice(checkpoint, size, beams):
    """Of T5, whose decoder does not read the prompt."""
    folder = checkpoint("t5")
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    prompts = random_prompts(backbone.model.config.vocab_size)
    plain = Decoding(TOKENS, num_beams=beams)
    barred = replace(plain, no_repeat_ngram_size=size)
    assert ours(backbone, prompts, plain, ()) != ours(backbone, prompts, barred, ())
    ends = early(reference, prompts)
    if beams > 1:
        assert_equal(backbone, reference, prompts, barred, ends)
    # Greedily, their scores are of what is left, and ours of the model itself.
    found = [
        f(*args, prompts, barred, ends) for f, *args in ((ours, backbone), (expected, reference))
    ]
    assert [tokens for tokens, _ in found[0]] == [tokens for tokens, _ in found[1]]


@pytest.mark.parametrize("beams", [1, 4])
@pytest.mark.parametrize(
    ("variant", "size"), [("gpt2", 1), ("gpt2", 4), ("llama, grouped keys", 2)]
)
def test_no_ngram_of_a_decoders_prompt_is_repeated(checkpoint, variant, size, beams):
    """The prompt is a prefix that all rows share, and rows of several lengths."""
    folder = checkpoint(variant)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    plain = Decoding(TOKENS, num_beams=beams)
    long, *starts = random_prompts(backbone.model.config.vocab_size)
    prefix = long[:4]  # the models have few positions
    # Each prompt is followed by its own text, which the model would go on to repeat.
    written = ours(backbone, starts, replace(plain, max_new_tokens=7), (), prefix)
    prompts = [[*start, *text] for start, (text, _) in zip(starts, written, strict=True)]
    barred = replace(plain, no_repeat_ngram_size=size)
    mine = ours(backbone, prompts, barred, (), prefix)
    other = expected(reference, [[*prefix, *prompt] for prompt in prompts], barred, ())
    assert [tokens for tokens, _ in mine] == [tokens for tokens, _ in other]
    if beams > 1:
        scores = [score for _, score in other]
        assert [score for _, score in mine] == pytest.approx(scores, abs=1e-4)
    alone = ours(backbone, prompts, replace(barred, no_repeat_in_prompt=False), (), prefix)
    assert alone != mine


@pytest.mark.parametrize("settings", [{}, *SEARCHES[1:]], ids=str)
@pytest.mark.parametrize("name", ["reviews-lm", "tinystories-656k"])
def test_real_models(checkpoint, name, settings):
    folder = checkpoint(name)
    backbone, reference = load_backbone(str(folder)), theirs(folder)
    tokenizer = load_tokenizer(str(folder), backbone.model)
    texts = ["Once upon a time, there was a", "The movie was", "I have never seen such a bad film"]
    prompts = [
        [tokenizer.bos_token_id, *tokenizer.encode(t, add_special_tokens=False)] for t in texts
    ]
    ends = [tokenizer.eos_token_id, *tokenizer.encode(".", add_special_tokens=False)[-1:]]
    assert_equal(backbone, reference, prompts, Decoding(24, **settings), ends)
