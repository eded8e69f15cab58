"""Trained leaves that are stored beside a run's record."""

import hashlib

import numpy as np
import pytest
from safetensors.numpy import save_file

from research.common.errors import InputError
from research.records.weights import load_trained


def test_leaves_that_are_not_finite_are_named(tmp_path):
    """An export or a service would give such numbers to others."""
    file = tmp_path / "trained" / "abc.safetensors"
    file.parent.mkdir()
    leaves = {"lora:/a": np.ones(2, np.float32), "lora:/b": np.asarray([1, np.nan], np.float32)}
    save_file(leaves, file)
    with pytest.raises(InputError, match="run is 'abc': .*not finite in lora:/b"):
        load_trained(tmp_path, "abc")


def test_a_changed_bit_is_noticed(tmp_path):
    file = tmp_path / "trained" / "abc.safetensors"
    file.parent.mkdir()
    save_file({"lora:/a": np.ones(2, np.float32)}, file)
    whole = file.read_bytes()
    digest = hashlib.sha256(whole).hexdigest()
    assert load_trained(tmp_path, "abc", digest).keys() == {"lora:/a"}
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(InputError, match="is not the file it was"):
        load_trained(tmp_path, "abc", digest)
