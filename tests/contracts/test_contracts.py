"""Every method keeps every contract, and no contract is kept by what breaks it."""

from dataclasses import dataclass
from typing import ClassVar

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from research.common.errors import InputError
from research.contracts import contracts
from research.contracts.contracts import CONTRACTS, Broken
from research.contracts.subject import ContractCase
from research.methods.bitfit import BitFit
from research.methods.lora import LoRA
from research.methods.method import Method, traced_method
from research.methods.shared import layer_scan
from scripts import verify
from tests import checkpoints
from tests.contracts.method_cases import CASES, MORE, ON_DECODERS, subject, with_layers
from tests.thorough import cases
from tests.tiny import decoder

# One of each way to change it, and those that freeze leaves of their own or penalize them.
CHANGING = (
    "bottleneck",
    "lora",
    "prefix",
    "soft_prompt",
    "vera",
    "lora_fa",
    "adalora",
)


@pytest.mark.parametrize("name", cases(ON_DECODERS, quick=CHANGING))
def test_kept(name):
    """On a decoder, which has no biases."""
    model, params = decoder(layers=1)
    one = ContractCase(model, params, (CASES[name],))
    for contract in CONTRACTS:
        contract(one)


@pytest.mark.thorough
@pytest.mark.parametrize(("variant", "names"), MORE)
def test_kept_on_other_families(variant, names):
    one = subject(variant, names)
    for contract in CONTRACTS:
        contract(one)


# Of the three layers the last computes few positions, so that two are one scan.
@pytest.mark.parametrize("name", cases(ON_DECODERS, quick=("lora",)))
def test_layers_run_as_a_scan(name):
    model, params = decoder(layers=3)
    contracts.runs_as_a_scan(ContractCase(model, params, (CASES[name],)))


@pytest.mark.parametrize("both", cases(MORE, quick=()), ids=", ".join)
def test_layers_of_other_families_run_as_a_scan(both):
    contracts.runs_as_a_scan(with_layers(*both, 3))


def test_a_scan_in_another_order_is_noticed(monkeypatch):
    run = layer_scan.run_as_scans
    monkeypatch.setattr(
        layer_scan, "run_as_scans", lambda f, layers, hidden: run(f, layers[::-1], hidden)
    )
    with pytest.raises(Broken, match="scores: .* apart"):
        contracts.runs_as_a_scan(with_layers("t5", "lora", 2))


class Breaking(Method):
    """Adds one vector to every query layer, and uses it in `layer`."""

    name: ClassVar[str] = "breaking"

    def init(self, key, params, words):
        kernels = [path for path in params if path.endswith("query/kernel")]
        return {path.removesuffix("/kernel"): self.vector(params[path]) for path in kernels}

    def vector(self, kernel):
        return {"vector": jnp.zeros(kernel.shape[1])}

    def layer(self, leaf, x, site):
        return site.call(x) + leaf["vector"][None, None]


@traced_method()
@dataclass(frozen=True)
class StartsElsewhere(Breaking):
    def vector(self, kernel):
        return {"vector": jnp.full(kernel.shape[1], 0.5)}


@traced_method()
@dataclass(frozen=True)
class StartsAnywhere(Breaking):
    def vector(self, kernel):
        return {"vector": np.random.default_rng().normal(size=kernel.shape[1])}


@traced_method()
@dataclass(frozen=True)
class SeesPadding(Breaking):
    def layer(self, leaf, x, site):
        return site.call(x) + leaf["vector"][None, None] * x.mean((1, 2), keepdims=True)


@traced_method()
@dataclass(frozen=True)
class SeesOtherRows(Breaking):
    def layer(self, leaf, x, site):
        return site.call(x) + leaf["vector"][None, None] * x[:, :1].sum((0, 2), keepdims=True)


@traced_method()
@dataclass(frozen=True)
class AddsInVain(Breaking):
    def layer(self, leaf, x, site):
        return site.call(x)


@traced_method()
@dataclass(frozen=True)
class MergesWrongly(Breaking):
    def merge(self, leaf, layer):
        return {**layer, "kernel": layer["kernel"] + leaf["vector"][None]}


@traced_method()
@dataclass(frozen=True)
class TrainsNothing(Method):
    name: ClassVar[str] = "nothing"


@traced_method()
@dataclass(frozen=True)
class TrainsToInfinity(Breaking):
    def layer(self, leaf, x, site):
        nothing = leaf["vector"] - jax.lax.stop_gradient(leaf["vector"])
        return site.call(x) + jnp.sqrt(nothing)[None, None]


@pytest.mark.parametrize(
    ("broken", "by", "message"),
    [
        (contracts.starts_as_the_backbone, StartsElsewhere(), "scores: .* apart"),
        (contracts.starts_from_the_seed, StartsAnywhere(), "breaking:.*/vector differs"),
        (contracts.ignores_padding, SeesPadding(), "scores: .* apart"),
        (contracts.keeps_rows_apart, SeesOtherRows(), "scores: .* apart"),
        (contracts.uses_all_it_adds, AddsInVain(), "/vector is zero: the leaf changes nothing"),
        (contracts.uses_all_it_adds, TrainsToInfinity(), "/vector is not finite"),
        (contracts.merges_without_a_trace, MergesWrongly(), "scores: .* apart"),
        (contracts.trains_as_a_part_of_the_whole, TrainsNothing(), "nothing trains"),
    ],
)
def test_broken(broken, by, message):
    model, params = decoder()  # the last layer alone would see targets only
    with pytest.raises(Broken, match=message):
        broken(ContractCase(model, params, (by,)))


def test_a_gradient_that_is_no_part_of_the_whole(monkeypatch):
    """As if one of the leaves were another one where it trains alone."""
    model, params = decoder(layers=1)
    whole = contracts.split

    def moved(leaves, trains):
        trained, frozen = whole(leaves, trains)
        path = min(trained)
        return {**trained, path: trained[path] + 1}, frozen

    monkeypatch.setattr(contracts, "split", moved)
    with pytest.raises(Broken, match="the gradient for"):
        contracts.trains_as_a_part_of_the_whole(ContractCase(model, params, (LoRA(rank=2),)))


@pytest.mark.thorough
def test_the_script_says_what_is_kept(capsys, monkeypatch, tmp_path):
    folder = str(checkpoints.write(tmp_path / "model", "gpt2"))
    assert verify.main(["--backbone", folder, "--method", '{"name": "lora", "rank": 2}']) == 0
    said = capsys.readouterr().out
    assert "LoRA(rank=2" in said and said.count("kept") == len(CONTRACTS)
    monkeypatch.setattr(LoRA, "merge", lambda self, leaf, layer: layer)
    assert verify.main(["--backbone", folder, "--method", '{"name": "lora"}']) == 1
    assert "BROKEN: scores" in capsys.readouterr().out


REFUSED = ["lora", '{"rank": 2}', '{"name": "lora", "rank": 0}', '"lora"', '{"name": "head"}']


@pytest.mark.parametrize("text", REFUSED)
def test_the_script_refuses(text, capsys):
    with pytest.raises(SystemExit) as exited:
        verify.main(["--method", text])
    assert exited.value.code == 2 and "Traceback" not in capsys.readouterr().err


def test_a_method_the_backbone_does_not_take():
    model, params = decoder(layers=1)
    with pytest.raises(InputError, match="no biases"):
        contracts.trains_as_a_part_of_the_whole(ContractCase(model, params, (BitFit(),)))
