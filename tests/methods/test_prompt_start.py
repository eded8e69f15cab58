"""Soft prompts that start from a file."""

from pathlib import Path

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from research.common.errors import InputError
from research.interop.peft import save_adapter
from research.methods.shared.leaves import add
from research.methods.soft_prompt import SoftPrompt
from research.records.weights import save_trained
from tests.tiny import WORDS, decoder

MODEL, PARAMS = decoder()
PROMPT = np.random.default_rng(0).normal(size=(3, 16)).astype(np.float32)


def kept(folder: Path) -> dict[str, Path]:
    """The prompt in every form that it may have."""
    np.save(folder / "prompt.npy", PROMPT)
    leaves = {"soft_prompt:/prompt": PROMPT}
    save_trained(folder, "run", leaves | {"lora:query/a": PROMPT})
    save_adapter(folder / "peft", "backbone", MODEL, (SoftPrompt(3),), leaves)
    return {
        "npy": folder / "prompt.npy",
        "run": folder / "trained/run.safetensors",
        "peft": folder / "peft",
    }


def started(file: Path | str, length: int = 3) -> np.ndarray:
    method = SoftPrompt(length=length, start="file", file=str(file))
    return np.asarray(add(method, jax.random.PRNGKey(0), PARAMS, WORDS)["soft_prompt:/prompt"])


def test_every_form_of_a_prompt_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for file in kept(tmp_path).values():
        np.testing.assert_array_equal(started(file), PROMPT)
    monkeypatch.setenv("PROMPTS", str(tmp_path))
    np.testing.assert_array_equal(started("$PROMPTS/prompt.npy"), PROMPT)


@pytest.mark.parametrize("task", ["sst2", "mrpc"])
def test_published_prompts_are_read(shared: Path, task: str):
    file = shared / "models" / "adapters" / f"t5_1_1_lm100k_base_prompt_{task}.npy"
    table = {"embed/embedding": np.zeros((32_128, 768), np.float32)}
    method = SoftPrompt(100, "file", file=f"$ADAPTLAB_SHARED/models/adapters/{file.name}")
    leaves = add(method, jax.random.PRNGKey(0), table, WORDS)
    np.testing.assert_array_equal(leaves["soft_prompt:/prompt"], np.load(file))


def test_peft_has_two_prompts_for_t5_and_uses_the_first(tmp_path: Path):
    folder = kept(tmp_path)["peft"]
    both = np.concatenate([PROMPT, PROMPT + 1])
    save_file({"prompt_embeddings": both}, folder / "adapter_model.safetensors")
    np.testing.assert_array_equal(started(folder), PROMPT)


def test_what_does_not_fit_is_said(tmp_path: Path):
    files = kept(tmp_path)
    with pytest.raises(InputError, match="has 3 vectors of width 16, soft_prompt.length is 4 and"):
        started(files["npy"], length=4)
    np.save(tmp_path / "wide.npy", np.ones((3, 20), np.float32))
    with pytest.raises(InputError, match="3 vectors of width 20, .* embeds in 16 dimensions"):
        started(tmp_path / "wide.npy")
    save_file({"other": PROMPT}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match=r"prompt_embeddings is expected; it has \['other'\]"):
        started(tmp_path / "other.safetensors")
    save_file({"prompt_embeddings": PROMPT * np.inf}, tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="prompt_embeddings has numbers that are not finite"):
        started(tmp_path / "other.safetensors")
    with pytest.raises(InputError, match="a folder of PEFT; no missing.npy"):
        started(tmp_path / "missing.npy")
    config = files["peft"] / "adapter_config.json"
    config.write_text(config.read_text().replace("PROMPT_TUNING", "P_TUNING"))
    with pytest.raises(InputError, match="the adapter is no soft prompt"):
        started(files["peft"])
    for wrong in (SoftPrompt(start="file"), SoftPrompt(file="prompt.npy")):
        with pytest.raises(InputError, match="the start 'file', and no other, takes a file"):
            print(wrong.sources)
