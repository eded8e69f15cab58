"""How soft prompts and prefixes start, and what is kept of them."""

import jax
import numpy as np
import pytest

from research.common.errors import InputError
from research.methods.adapted import Adapted
from research.methods.method import Words
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import add, added_to
from research.methods.soft_prompt import SoftPrompt
from research.tasks.encoding.tokenization import plain_vocabulary
from tests.films import tokenizer as tokenizer_of_films
from tests.tiny import WORDS, batch, decoder, scored, with_method

KEY = jax.random.PRNGKey(0)
_, PARAMS = decoder()
TABLE = np.asarray(PARAMS["embed/embedding"])


def prompt(words: Words = WORDS, key: int = 0, **fields) -> np.ndarray:
    [leaf] = add(SoftPrompt(**fields), jax.random.PRNGKey(key), PARAMS, words).values()
    return np.asarray(leaf)


def rows_of(vectors: np.ndarray) -> list[int]:
    """Which token each vector is the embedding of."""
    return [int(np.flatnonzero((vector == TABLE).all(-1))[0]) for vector in vectors]


def test_vocabulary_and_its_common_part():
    """No token twice: Lester et al. 2021 sample without replacement."""
    size = len(TABLE)
    assert sorted(rows_of(prompt(length=size))) == list(range(size))
    assert sorted(rows_of(prompt(length=5, common=5))) == list(range(5))
    assert sorted(rows_of(prompt(length=6, start="labels", common=4)[2:])) == [0, 1, 2, 3]
    draws = {tuple(rows_of(prompt(length=5))), tuple(rows_of(prompt(key=1, length=5)))}
    assert len(draws) == 2


def test_special_tokens_and_rows_without_a_token_are_not_drawn():
    words = WORDS._replace(vocabulary=np.array([3, 4, 9, 17]))
    assert sorted(rows_of(prompt(words, length=4))) == [3, 4, 9, 17]
    assert sorted(rows_of(prompt(words, length=2, common=9))) == [3, 4]
    with pytest.raises(InputError, match="soft_prompt.length is 5: 4 tokens can be drawn"):
        prompt(words, length=5)
    tokenizer = tokenizer_of_films()
    drawable = plain_vocabulary(tokenizer)
    assert len(drawable) == len(tokenizer) - 2
    assert not {tokenizer.bos_token_id, tokenizer.eos_token_id} & set(drawable.tolist())


def test_uniform():
    found = prompt(length=200, start="uniform")
    assert found.shape == (200, 16) and -0.5 <= found.min() < -0.49 and 0.49 < found.max() < 0.5
    assert abs(found.mean()) < 0.02


def test_labels_first_then_the_vocabulary():
    found = prompt(length=6, start="labels")
    expected = np.stack([TABLE[[5, 7]].mean(0), TABLE[[6, 9, 7]].mean(0)])
    np.testing.assert_allclose(found[:2], expected, rtol=1e-6)
    assert len(rows_of(found[2:])) == 4
    np.testing.assert_array_equal(prompt(length=1, start="labels"), found[:1])


@pytest.mark.parametrize(
    ("text", "expected"), [("8 3", [8, 3, 8, 3, 8]), ("1 2 3 4 5 6 7", [1, 2, 3, 4, 5])]
)
def test_a_text_is_repeated_or_cut(text, expected):
    assert rows_of(prompt(length=5, start="text", text=text)) == expected


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(start="text"), "soft_prompt.text is None"),
        (dict(start="text", text=" "), "soft_prompt.text is ' '"),
        (dict(length=24), "soft_prompt.length is 24: 23 tokens can be drawn"),
        (dict(common=0), "soft_prompt.common is 0: a whole number from 1 to 23"),
        (dict(common=24), "soft_prompt.common is 24"),
    ],
)
def test_starts_that_are_none(fields, message):
    with pytest.raises(InputError, match=message):
        prompt(**fields)


def test_a_prefix_made_by_an_mlp():
    method = PrefixTuning(length=3, hidden=7)
    leaf = added_to(method, add(method, KEY, PARAMS, WORDS))[""]
    keys, values = method.memory(leaf)
    leaf = {name: np.asarray(array) for name, array in leaf.items()}
    assert keys.shape == values.shape == (2, 3, 12)
    inner = np.tanh(leaf["table"] @ leaf["inner"] + leaf["inner_bias"])
    for position in range(3):
        for layer in range(2):
            both = np.einsum("m,mco->co", inner[position], leaf["outer"][:, :, layer])
            both += leaf["outer_bias"][:, layer]
            np.testing.assert_allclose(keys[layer, position], both[0], rtol=1e-5, atol=1e-6)
            np.testing.assert_allclose(values[layer, position], both[1], rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
def test_what_is_kept_of_it_is_the_same_prefix():
    model, params = decoder()
    method = PrefixTuning(length=3, hidden=7)
    leaves, rows = with_method(method, params), batch(6)
    kept = method.stored(added_to(method, leaves)[""])
    assert {name: leaf.shape for name, leaf in kept.items()} == dict.fromkeys(
        ("keys", "values"), (2, 3, 12)
    )
    bare = params | {f"prefix:/{name}": leaf for name, leaf in kept.items()}
    found, expected = (scored(model, (method,), one, rows) for one in (bare, leaves))
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    assert Adapted(model, (method,), leaves).layer_prefixes()[1] == 3


def test_a_prefix_of_no_size():
    with pytest.raises(InputError, match="prefix.hidden is 0"):
        add(PrefixTuning(hidden=0), KEY, PARAMS, WORDS)
