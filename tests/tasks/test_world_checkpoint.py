"""The shipped checkpoint: its tokenizer fits the model, and its README says how good it is."""

import re
from pathlib import Path

import jax
import numpy as np
import pytest

from research.common.paths import resolve_path
from research.evaluation.batch import batch_rows, prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.models.backbone import load_backbone, load_tokenizer
from research.tasks.world import VERSION
from research.tasks.world.packing import PLAIN, document_rows, exercise_rows, token_stream

FOLDER = Path(resolve_path("world-1m", "backbone"))
BAND = 0.1  # nats between the README's held-out loss, of 128 rows, and that of 16 rows


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(str(FOLDER))


@pytest.fixture(scope="module")
def tokenizer(backbone):
    return load_tokenizer(str(FOLDER), backbone.model)


def told(pattern: str) -> str:
    found = re.search(pattern, (FOLDER / "README.md").read_text(encoding="utf-8"))
    assert found, pattern
    return found[1]


def test_the_folder_is_small():
    assert sum(file.stat().st_size for file in FOLDER.iterdir()) < 4 * 2**20


def test_the_checkpoint_is_of_this_world():
    assert int(told(r"world version (\d+)")) == VERSION


def test_the_embedding_fits_the_tokenizer(backbone, tokenizer):
    assert len(tokenizer) == backbone.model.config.vocab_size
    assert max(tokenizer.get_vocab().values()) == len(tokenizer) - 1


def test_the_readme_counts_the_parameters(backbone):
    count = sum(leaf.size for leaf in backbone.params.values())
    assert int(told(r"decoder of ([\d,]+) parameters").replace(",", "")) == count


def test_special_tokens(tokenizer):
    ids = (tokenizer.pad_token_id, tokenizer.bos_token_id, tokenizer.eos_token_id)
    assert ids == (0, 1, 2)
    ids = tokenizer("good")["input_ids"]
    assert ids[0] == tokenizer.bos_token_id and min(ids[1:]) > 2  # as documents begin


def test_digits_and_line_ends_stand_alone(tokenizer):
    tokens = tokenizer.convert_ids_to_tokens(tokenizer("in 1984\n\nin\n", **PLAIN)["input_ids"])
    assert tokens == ["in", "Ġ", "1", "9", "8", "4", "Ċ", "Ċ", "in", "Ċ"]


@pytest.mark.parametrize("text", ["Zindle vorp!", "naïve café 東京 🙂", "  two\t\n"])
def test_any_text_comes_back(tokenizer, text):
    assert tokenizer.decode(tokenizer(text, **PLAIN)["input_ids"]) == text


def test_prompt_and_target_are_tokenized_as_in_the_corpus(tokenizer):
    apart = [tokenizer(text, **PLAIN)["input_ids"] for text in ("Verdict:", " good\n")]
    assert apart[0] + apart[1] == tokenizer("Verdict: good\n", **PLAIN)["input_ids"]


def test_the_held_out_loss_is_that_of_the_readme(backbone, tokenizer):
    encoded = document_rows(token_stream(tokenizer, 0, "heldout"), 16, backbone.context)
    batch = batch_rows(encoded, np.arange(16), 16, backbone.context, backbone.context - 1)

    @jax.jit
    def loss():
        adapted = Adapted(backbone.model, (), backbone.params)
        return -target_logprobs(adapted, batch, prompt_frame([]))[0].mean()

    assert float(loss()) == pytest.approx(float(told(r"held-out loss.*\| ([\d.]+) \|")), abs=BAND)


def test_exercises_end_in_their_answers(tokenizer):
    encoded = next(exercise_rows(tokenizer, 0, 8, 48))
    for tokens, start, length in zip(
        encoded.tokens, encoded.prompt_length, encoded.length, strict=True
    ):
        assert tokens[0] == tokenizer.bos_token_id
        answer = tokenizer.decode(tokens[start:length])
        assert answer.startswith(" ") and answer.endswith("\n")
        assert not tokens[length:].any()
