"""Generation against what the scorer says of texts, which it reads whole and without a cache."""

from dataclasses import replace
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.stats import chisquare

from research.common.errors import InputError
from research.evaluation.batch import EncodedPrompts, Rows, prompt_frame
from research.evaluation.decoding.repeats import PromptIds, without_repeats
from research.evaluation.decoding.sequence import next_tokens
from research.evaluation.predictor import AdaptedWeights
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.models.backbone import random_params
from research.models.bert.model import Bert
from research.models.t5.config import T5Config
from research.models.t5.model import T5
from research.runtime.devices import Devices
from research.tasks.decoding import Decoding
from research.tasks.encoding.encoded import Encoded, Labels
from tests.checkpoints import BERT
from tests.thorough import cases
from tests.tiny import FRAME, METHODS, ONE, decoder, encoded, predictor, scored, with_method

COUNT = 6
GREEDY = Decoding(COUNT)
END = 9
SHOWN = prompt_frame([3, *np.random.default_rng(3).integers(10, 23, 11).tolist()])


def t5():
    """A T5 of 23 tokens whose predictions are far from uniform."""
    config = T5Config(23, 16, 2, 3, 4, 4, 24, buckets=8, max_distance=16, start_token=2)
    model, key = T5(config), jax.random.key(0)
    leaves = random_params(model, key)
    return model, {path: x if path.endswith("scale") else 15 * x for path, x in leaves.items()}


def windowed():
    return decoder(model_type="mistral", window=3, windowed=(0, 1))


# A model, the name of its method and what stands around its rows.
CASES = {
    "plain": (decoder, None, prompt_frame()),
    "few-shot": (decoder, None, SHOWN),
    "few-shot, lora": (decoder, "lora", SHOWN),
    "soft prompt": (decoder, "soft_prompt", FRAME),
    "prefix": (decoder, "prefix", FRAME),
    "window, soft prompt": (windowed, "soft_prompt", FRAME),
    "t5": (t5, None, prompt_frame([], [1])),
    "t5, few-shot, soft prompt": (t5, "soft_prompt", prompt_frame([5, 6, 7], [1])),
    "t5, prefix": (t5, "prefix", prompt_frame([], [1])),
}


def made(case):
    """(model, methods, leaves, frame)."""
    make, name, around = CASES[case]
    model, params = make()
    if name is None:
        return model, (), params, around
    return model, (METHODS[name],), with_method(METHODS[name], params), around


def texts(model, methods, leaves, examples, around, decoding, **options):
    devices, options = options.pop("devices", ONE), {"ends": [END], **options}
    weights, prompts = AdaptedWeights(methods, leaves), EncodedPrompts(examples, around)
    return predictor(model, devices).generate(weights, prompts, decoding, **options)


def repeats(text, size):
    """Whether the last n-gram of a text occurs in it before."""
    earlier = [text[i : i + size] for i in range(len(text) - size)]
    return len(text) >= size and text[-size:] in earlier


def slow(model, methods, leaves, examples, around, decoding=GREEDY, ends=(END,)):
    """[(tokens, score)], greedily: at each step the scorer rates every token as the next one."""
    count, ngram = decoding.max_new_tokens, decoding.no_repeat_ngram_size
    size = model.config.vocab_size
    rate = jax.jit(
        lambda leaves, rows: target_logprobs(Adapted(model, methods, leaves), rows, around)[0]
    )
    found = []
    for prompt, start in zip(examples.tokens, examples.prompt_length, strict=True):
        text, score = [], 0.0
        while len(text) < count and not (text and text[-1] in ends):
            target = np.zeros((size, count), np.int32)
            target[:, : len(text)] = text
            target[:, len(text)] = np.arange(size)
            tokens = np.zeros((size, examples.tokens.shape[1] + count), np.int32)
            tokens[:, :start] = prompt[:start]
            tokens[:, start : start + count] = target
            same = np.full(size, start, np.int32)
            rows = Rows(tokens, same + len(text) + 1, same, target, 0 * same, 0 * same)
            logprobs = np.asarray(rate(leaves, rows))[:, len(text)]
            before = []
            if decoding.no_repeat_in_prompt:
                before = ids_before(model, around, prompt[:start])
            left = [
                token
                for token in range(size)
                if ngram is None or not repeats([*before, *text, token], ngram)
            ]
            text.append(max(left, key=logprobs.__getitem__))
            score += float(logprobs[text[-1]])
        found.append((text, score))
    return found


@pytest.mark.parametrize("case", cases(CASES, quick=("t5",)))
def test_greedy_equals_a_whole_pass_per_token(case):
    model, methods, leaves, around = made(case)
    examples = encoded(8)
    result = texts(model, methods, leaves, examples, around, Decoding(COUNT))
    expected = slow(model, methods, leaves, examples, around)
    for row, (text, score) in enumerate(expected):
        assert result.tokens[row].tolist() == text + [0] * (COUNT - len(text))
        assert result.length[row] == len(text)
        assert result.score[row] == pytest.approx(score, abs=1e-4)
    assert len({tuple(text) for text, _ in expected}) > 1


def ids_before(model, around, prompt):
    """The ids that the decoder has read before the first generated one."""
    if model.ROUTE == "seq2seq":
        return [model.config.start_token]
    return [*around.prefix_ids[: int(around.prefix_length)].tolist(), *prompt.tolist()]


REPEATS = ("few-shot", "soft prompt", "prefix", "t5, few-shot, soft prompt")


@pytest.mark.parametrize("case", cases(REPEATS, quick=("soft prompt",)))
@pytest.mark.parametrize("size", [1, 2])
def test_no_repeated_ngram_equals_a_whole_pass_per_token(case, size):
    """In batches, with a prefix that is computed once and soft prompts, which have no ids."""
    model, methods, leaves, around = made(case)
    examples, found = encoded(5), []
    for in_prompt in (True, False):
        decoding = Decoding(COUNT, no_repeat_ngram_size=size, no_repeat_in_prompt=in_prompt)
        result = texts(model, methods, leaves, examples, around, decoding)
        expected = slow(model, methods, leaves, examples, around, decoding)
        for row, (text, score) in enumerate(expected):
            assert result.tokens[row].tolist() == text + [0] * (COUNT - len(text))
            assert result.score[row] == pytest.approx(score, abs=1e-4)
        found.append(result.tokens.tolist())
    if size == 1 and model.ROUTE == "causal":
        assert found[0] != found[1]


def every_text(size, count, end):
    """All texts of a vocabulary that end in `end` or have `count` tokens."""
    whole = [
        text
        for length in range(1, count + 1)
        for text in product(range(size), repeat=length)
        if end not in text[:-1] and (length == count or text[-1] == end)
    ]
    tokens = np.zeros((len(whole), count), np.int32)
    for row, text in enumerate(whole):
        tokens[row, : len(text)] = text
    return Labels(tokens, np.array([len(text) for text in whole], np.int32))


def small(examples, size=5):
    """Prompts of a vocabulary of 5 tokens."""
    whole = encoded(examples)
    return replace(whole, tokens=whole.tokens % size, label=0 * whole.label)


def as_rows(examples):
    size = len(examples.prompt_length)
    nothing = np.zeros(size, np.int32)
    empty = np.zeros((size, 0), np.int32)
    return Rows(
        examples.tokens, examples.prompt_length, examples.prompt_length, empty, nothing, nothing
    )


@pytest.mark.parametrize("penalty", cases([1.0, 2.0, 3.0], quick=(3.0,)))
def test_enough_beams_find_the_best_of_all_texts(penalty):
    model, leaves = decoder(vocab_size=5)
    examples, labels = small(6), every_text(5, 3, end=2)
    decoding = Decoding(3, num_beams=25, length_penalty=penalty)
    around = prompt_frame([3, 4])
    scores = np.asarray(scored(model, (), leaves, as_rows(examples), around, labels))
    scores = scores / labels.length[None].astype(float) ** penalty
    result = texts(model, (), leaves, examples, around, decoding, ends=[2])
    best = scores.argmax(-1)
    np.testing.assert_array_equal(result.tokens, labels.tokens[best])
    np.testing.assert_array_equal(result.length, labels.length[best])
    np.testing.assert_allclose(result.score, scores.max(-1), atol=1e-4, rtol=0)


def same(first, second):
    np.testing.assert_array_equal(first.tokens, second.tokens)
    np.testing.assert_array_equal(first.length, second.length)
    np.testing.assert_allclose(first.score, second.score, atol=1e-4, rtol=0)


WAYS = {
    "greedy": Decoding(COUNT),
    "sampling": Decoding(COUNT, do_sample=True, top_k=9),
    "beams": Decoding(COUNT, num_beams=3),
}


@pytest.mark.parametrize("way", cases(WAYS, quick=()))
def test_a_text_does_not_depend_on_other_rows_padding_or_devices(way):
    model, methods, leaves, around = made("few-shot, lora")
    examples = encoded(7)
    whole = texts(model, methods, leaves, examples, around, WAYS[way], batch_size=16)
    assert len({tuple(text) for text in whole.tokens.tolist()}) > 1
    for options in (dict(batch_size=2), dict(batch_size=8, devices=Devices(count=4))):
        same(whole, texts(model, methods, leaves, examples, around, WAYS[way], **options))

    behind = np.arange(examples.tokens.shape[1])[None] >= examples.prompt_length[:, None]
    junk = replace(examples, tokens=np.where(behind, 17, examples.tokens))
    same(whole, texts(model, methods, leaves, junk, around, WAYS[way], batch_size=16))

    others = examples.tokens.copy()
    others[:3] = 11
    other = texts(
        model, methods, leaves, replace(examples, tokens=others), around, WAYS[way], batch_size=16
    )
    np.testing.assert_array_equal(whole.tokens[3:], other.tokens[3:])


@pytest.mark.parametrize("way", cases(["greedy", "beams"], quick=()))
def test_it_stops_when_all_texts_have_ended(way):
    model, leaves = decoder()
    decoding = replace(WAYS[way], max_new_tokens=12)
    if way == "beams":
        decoding = replace(decoding, early_stopping=True)
    examples = encoded(3)
    whole = texts(model, (), leaves, examples, FRAME, decoding, ends=[])
    assert whole.steps == 12 and (whole.length == 12).all()
    ends = [*range(1, 23, 2), *whole.tokens[:, 2].tolist()]
    cut = texts(model, (), leaves, examples, FRAME, decoding, ends=sorted(set(ends)), pad=7)
    assert cut.length.max() <= cut.steps < 12
    if way == "greedy":
        assert cut.steps == cut.length.max()
    for tokens, length in zip(cut.tokens, cut.length, strict=True):
        assert tokens[length - 1] in ends and not set(tokens[: length - 1]) & set(ends)
        assert (tokens[length:] == 7).all()


def plain(logits, temperature=1.0, top_k=None, top_p=1.0):
    """The probabilities [V] that tokens are drawn with, from the most probable one down."""
    order = np.argsort(-logits)[:top_k]
    left = np.exp((logits[order] - logits.max()) / temperature)
    left /= left.sum()
    kept = []
    for probability in left:
        kept.append(probability)
        if sum(kept) >= top_p:
            break
    result = np.zeros(len(logits))
    result[order[: len(kept)]] = kept
    return result / result.sum()


@pytest.mark.parametrize(
    "settings",
    [
        dict(),
        dict(temperature=0.5),
        dict(top_k=3),
        dict(top_p=0.6),
        dict(temperature=2.0, top_k=5, top_p=0.7),
        dict(top_k=50, top_p=0.9),
    ],
    ids=str,
)
def test_drawn_tokens_have_the_probabilities_of_the_formula(settings):
    logits = np.array([0.3, -1.0, 2.0, 0.5, 1.5, -0.2, 1.4], np.float32)
    count = 20_000
    keys = jax.random.split(jax.random.key(0), count)
    drawn = next_tokens(
        jnp.tile(logits[None], (count, 1)), Decoding(do_sample=True, **settings), keys, jnp.int32(5)
    )
    found = np.bincount(np.asarray(drawn), minlength=7)
    expected = plain(logits, **settings)
    assert not found[expected == 0].any()
    possible = expected > 0
    assert chisquare(found[possible], count * expected[possible]).pvalue > 0.01


@pytest.mark.thorough
def test_drawn_texts_have_the_probabilities_that_the_scorer_gives():
    """Of two tokens after the same prompt: draws of the two steps do not hang together."""
    model, leaves = decoder(vocab_size=5)
    one, labels, count = small(1), every_text(5, 2, end=2), 4000
    names = ("tokens", "length", "prompt_length", "label")
    same_prompt = Encoded(*(np.repeat(getattr(one, n), count, axis=0) for n in names), cut=0)
    around, decoding = prompt_frame([3, 4]), Decoding(2, do_sample=True)
    result = texts(
        model, (), leaves, same_prompt, around, decoding, ends=[2], pad=2, batch_size=count
    )
    scores = np.asarray(scored(model, (), leaves, as_rows(one), around, labels))[0]
    padded = np.where(np.arange(2)[None] < labels.length[:, None], labels.tokens, 2)
    index = {tuple(text): place for place, text in enumerate(padded.tolist())}
    places = np.array([index[tuple(text)] for text in result.tokens.tolist()])
    np.testing.assert_allclose(result.score, scores[places], atol=1e-4, rtol=0)
    expected = count * np.exp(scores.astype(float))
    assert expected.sum() == pytest.approx(count, rel=1e-4)
    often = expected > 5
    found = np.append(np.bincount(places, minlength=len(padded))[often], (~often[places]).sum())
    wanted = np.append(expected[often], expected[~often].sum())
    assert len(found) > 8
    assert chisquare(found, wanted * count / wanted.sum()).pvalue > 0.01


def test_a_seed_decides_what_is_drawn():
    model, leaves = decoder()
    decoding = Decoding(COUNT, do_sample=True, temperature=2.0)
    first, again, other = (
        texts(model, (), leaves, encoded(6), FRAME, decoding, seed=seed) for seed in (1, 1, 2)
    )
    same(first, again)
    assert (first.tokens != other.tokens).any()


NARROW = [dict(top_k=1), dict(temperature=1e-6), dict(top_p=1e-6)]


@pytest.mark.parametrize("settings", cases(NARROW, quick=()))
def test_sampling_from_one_token_is_greedy(settings):
    model, leaves = decoder()
    greedy = texts(model, (), leaves, encoded(6), FRAME, Decoding(COUNT))
    decoding = Decoding(COUNT, do_sample=True, **settings)
    same(greedy, texts(model, (), leaves, encoded(6), FRAME, decoding))


@pytest.mark.parametrize(
    ("field", "settings"),
    [
        ("max_new_tokens", dict(max_new_tokens=0)),
        ("max_new_tokens", dict(max_new_tokens=2.5)),
        ("num_beams", dict(num_beams=0)),
        ("num_beams", dict(num_beams=True)),
        ("num_beams", dict(num_beams=2, do_sample=True)),
        ("temperature", dict(do_sample=True, temperature=0.0)),
        ("temperature", dict(do_sample=True, temperature=float("nan"))),
        ("temperature", dict(temperature=0.7)),
        ("top_k", dict(do_sample=True, top_k=0)),
        ("top_k", dict(top_k=5)),
        ("top_p", dict(do_sample=True, top_p=0.0)),
        ("top_p", dict(do_sample=True, top_p=1.01)),
        ("top_p", dict(top_p=0.9)),
        ("length_penalty", dict(num_beams=2, length_penalty="1")),
        ("length_penalty", dict(length_penalty=2.0)),
        ("early_stopping", dict(num_beams=2, early_stopping="always")),
        ("early_stopping", dict(early_stopping=True)),
        ("do_sample", dict(do_sample=1)),
        ("no_repeat_ngram_size", dict(no_repeat_ngram_size=0)),
        ("no_repeat_in_prompt", dict(no_repeat_ngram_size=2, no_repeat_in_prompt=0)),
        ("no_repeat_in_prompt", dict(no_repeat_in_prompt=False)),
    ],
    ids=str,
)
def test_settings_that_make_no_sense(field, settings):
    with pytest.raises(InputError) as raised:
        Decoding(**settings)
    assert raised.value.field == field


def test_what_cannot_be_generated():
    model, leaves = decoder()
    examples, around = encoded(4), prompt_frame([3, 4])
    room = 32 - 2 - int(examples.prompt_length.max())
    fits = texts(model, (), leaves, examples, around, Decoding(room))
    assert fits.tokens.shape == (4, room)
    with pytest.raises(InputError, match=f"leaves {room} of 32"):
        texts(model, (), leaves, examples, around, Decoding(room + 1))
    with pytest.raises(InputError, match="token is 23"):
        texts(model, (), leaves, examples, around, Decoding(2), ends=[23])
    empty = replace(
        examples, prompt_length=examples.prompt_length * np.array([1, 0, 1, 1], np.int32)
    )
    with pytest.raises(InputError, match="example is 1"):
        texts(model, (), leaves, empty, around, Decoding(2))
    with pytest.raises(InputError, match="route is 'masked'"):
        texts(Bert.from_hf(BERT), (), {}, examples, around, Decoding(2))
    assert texts(model, (), leaves, examples.head(0), around, Decoding(2)).tokens.shape == (0, 2)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_what_would_repeat_an_ngram_is_barred(size):
    """By the definition: a token is barred if with it an n-gram stands in the text twice."""
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, 3, (40, 9)).astype(np.int32)
    # Two texts of each prompt; what stands before a prompt is padding and counts for nothing.
    prompts = PromptIds(
        draw.integers(0, 3, (20, 5)).astype(np.int32), draw.integers(0, 6, 20).astype(np.int32)
    )
    barring = jax.jit(without_repeats, static_argnums=4)
    for step, in_prompt in product(range(9), (True, False)):
        decoding = Decoding(no_repeat_ngram_size=size, no_repeat_in_prompt=in_prompt)
        scores = barring(jnp.zeros((40, 3)), prompts, tokens, jnp.asarray(step), decoding)
        for row, text in enumerate(tokens[:, :step].tolist()):
            length = int(prompts.length[row // 2]) if in_prompt else 0
            before = prompts.tokens[row // 2, 5 - length :].tolist()
            for token, score in enumerate(np.asarray(scores)[row]):
                assert (score == -np.inf) == repeats([*before, *text, token], size)
    free = without_repeats(jnp.zeros((40, 3)), prompts, tokens, jnp.asarray(4), Decoding())
    assert free.max() == 0
