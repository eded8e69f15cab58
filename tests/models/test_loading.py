"""Large checkpoints: what loading takes in memory and where the parameters come to lie."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from safetensors.numpy import save_file

from research.models.backbone import load_backbone, save_backbone, shapes
from research.models.checkpoint.files import SINGLE
from research.models.checkpoint.tensors import Tensor, tensors
from research.models.llama.config import DecoderConfig
from research.models.llama.model import Decoder
from research.runtime.devices import Devices, leaf_sharding

# Prints the most memory that loading took at once, as a multiple of the weights' bytes.
MEASURE = """
import sys

import jax.numpy as jnp

from research.models.backbone import load_backbone


def memory(field):
    with open("/proc/self/status") as status:
        return next(1024 * int(line.split()[1]) for line in status if line.startswith(field))


jnp.zeros(8).block_until_ready()
before = memory("VmRSS")
params = load_backbone(sys.argv[1]).params
print((memory("VmHWM") - before) / sum(leaf.nbytes for leaf in params.values()))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="it asks Linux")
@pytest.mark.parametrize(
    "stored, vocab_size, layers, hidden",
    [
        ("bfloat16", 2000, 3, 4096),
        pytest.param("float32", 24000, 1, 1024, marks=pytest.mark.thorough),
    ],  # wide layers, and large tables
)
def test_loading_takes_little_more_memory_than_the_weights(
    tmp_path, stored, vocab_size, layers, hidden
):
    config = DecoderConfig(
        vocab_size=vocab_size,
        width=1024,
        layers=layers,
        heads=16,
        kv_heads=16,
        head_width=64,
        hidden=hidden,
        context=64,
    )
    model = Decoder(config)
    # Each is one number in memory, until its shard is written.
    leaves = {path: np.broadcast_to(0.5, shape) for path, shape in shapes(model).items()}
    assert sum(leaf.size for leaf in leaves.values()) > 50e6
    save_backbone(tmp_path / "model", model, leaves, dtype=stored, shard_bytes=80 * 10**6)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path / "model")],
        capture_output=True,
        text=True,
        env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )
    assert done.returncode == 0, done.stderr
    assert 1.0 <= float(done.stdout) <= 1.3


@pytest.mark.parametrize("fsdp", [1, 2, 8])
def test_parameters_are_laid_on_the_mesh_as_they_are_read(make, tmp_path, fsdp):
    model, params = make(tied=False, attention_bias=True)
    save_backbone(tmp_path / "model", model, params)
    mesh = Devices(fsdp=fsdp).mesh()
    found = load_backbone(str(tmp_path / "model"), jnp.float32, mesh).params
    assert found.keys() == params.keys()
    for path, leaf in found.items():
        assert isinstance(leaf, jax.Array) and leaf.committed
        assert leaf.sharding == leaf_sharding(mesh, params[path]), path
        np.testing.assert_array_equal(leaf, params[path])
        for shard in leaf.addressable_shards:
            np.testing.assert_array_equal(shard.data, np.asarray(params[path])[shard.index])
    kernel = found["layers_0/mlp/up/kernel"]  # [16, 24]
    assert kernel.addressable_shards[0].data.shape == (16, 24 // fsdp)
    assert len({str(shard.index) for shard in kernel.addressable_shards}) == fsdp


def test_each_part_of_a_leaf_is_read_once_and_never_more_than_a_part(make, tmp_path, monkeypatch):
    model, params = make(tied=False)
    save_backbone(tmp_path / "model", model, params)
    read, parts = Tensor.read, []

    def counted(self, *args):
        found = read(self, *args)
        parts.append((self.name, found.size))
        return found

    monkeypatch.setattr(Tensor, "read", counted)
    load_backbone(str(tmp_path / "model"), jnp.float32, Devices(fsdp=4).mesh())
    name = "model.layers.0.mlp.up_proj.weight"
    assert [size for part, size in parts if part == name] == [16 * 24 // 4] * 4
    name = "model.norm.weight"
    assert [size for part, size in parts if part == name] == [16]


def test_parameters_on_a_mesh_may_be_given_away(make, tmp_path):
    """A copy of a leaf is no memory of another's, though all were read once."""
    model, params = make()
    save_backbone(tmp_path / "model", model, params)
    found = load_backbone(str(tmp_path / "model"), jnp.float32, Devices(fsdp=2).mesh()).params
    added = jax.jit(lambda leaves: jax.tree.map(lambda x: x + 1, leaves), donate_argnums=0)
    for path, leaf in added(found).items():
        np.testing.assert_array_equal(leaf, np.asarray(params[path]) + 1)


@pytest.mark.parametrize("block", [1, 100, 1 << 20])
def test_a_tensor_reads_the_same_whatever_the_size_of_its_blocks(tmp_path, monkeypatch, block):
    monkeypatch.setattr("research.models.checkpoint.tensors.BLOCK", block)
    matrix = np.arange(7 * 5, dtype=np.float16).reshape(7, 5)
    save_file({"a": matrix, "b": matrix + (matrix == 34)}, tmp_path / SINGLE)
    found = tensors([tmp_path / SINGLE])
    for rows, columns in ((slice(None), slice(None)), (slice(2, 6), slice(1, 4))):
        part = found["a"].read((rows, columns), np.float32)
        assert part.dtype == np.float32
        np.testing.assert_array_equal(part, matrix[rows, columns])
        turned = found["a"].read((columns, rows), np.float32, transposed=True)
        np.testing.assert_array_equal(turned, matrix[rows, columns].T)
        assert turned.flags.c_contiguous
    assert found["a"].equals(found["a"]) and not found["a"].equals(found["b"])
