"""Published soft prompts."""

import numpy as np
import pytest

from research.common.errors import InputError
from research.interop.prompt_file import load_prompt
from research.methods.soft_prompt import SoftPrompt
from tests.tiny import decoder


@pytest.mark.parametrize("task", ["sst2", "mrpc", "rte"])
def test_published_prompts_load(shared, task):
    file = shared / "models" / "adapters" / f"t5_1_1_lm100k_base_prompt_{task}.npy"
    base = {"embed/embedding": np.zeros((32128, 768), np.float32)}
    methods, leaves = load_prompt(file, base)
    assert methods == (SoftPrompt(100),)
    np.testing.assert_array_equal(np.asarray(leaves["soft_prompt:/prompt"]), np.load(file))
    _, narrow = decoder()
    with pytest.raises(InputError, match=r"\(100, 768\), the backbone embeds in 16 dimensions"):
        load_prompt(file, narrow)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(16, np.float32),
        np.zeros((0, 16), np.float32),
        np.zeros((2, 16), np.int32),
        np.full((2, 16), 1e39),
        np.asarray([[{}]], object),
    ],
    ids=["one axis", "nothing", "ids", "infinite in float32", "pickled"],
)
def test_other_arrays_are_refused(tmp_path, array):
    np.save(tmp_path / "prompt.npy", array, allow_pickle=True)
    with pytest.raises(InputError, match="prompt is"):
        load_prompt(tmp_path / "prompt.npy", decoder()[1])


def test_other_files_are_refused(tmp_path):
    (tmp_path / "prompt.npy").write_text("no array")
    for file in (tmp_path / "prompt.npy", tmp_path / "missing.npy"):
        with pytest.raises(InputError, match="it is no .npy file"):
            load_prompt(file, decoder()[1])
