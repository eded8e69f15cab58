"""The formula, against the shapes of the program and against what XLA says of it compiled."""

import json
import math
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import pytest

from research.evaluation.batch import prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.ia3 import IA3
from research.methods.last_layers import LastLayers
from research.methods.lora import LoRA
from research.studies.scale import figures
from research.studies.scale.cohort import compile_together
from research.studies.scale.compiled import FLAG
from research.studies.scale.configuration import StepConfiguration
from research.studies.scale.memory import HELD, kept_by_all, peak_bytes_of, step_memory
from research.studies.scale.models import SHAPES
from research.studies.scale.page import page
from tests.hlo import collectives
from tests.tiny import decoder

RESULTS = Path(__file__).parents[2] / "results/scale"
TINY = decoder(tied=False, layers=3)[0]


def test_sizes_are_the_published_ones():
    """Parameters as the sources in `shapes.py` and the checkpoints on the hub have them."""
    whole = {
        size: sum(math.prod(leaf.shape) for leaf in StepConfiguration(model, None).leaves.values())
        for size, model in SHAPES.items()
        if size != "70B"
    }
    assert whole == {"60M": 58_073_600, "1B": 1_100_048_384, "7B": 6_738_415_616}


@pytest.mark.parametrize("method", [None, LoRA(rank=2), LastLayers(1)], ids=str)
def test_what_a_device_holds_is_cut_by_fsdp_alone(method):
    """Matrices are cut over the group, whatever the number of data devices; norms never are."""
    parts = {
        mesh: step_memory(StepConfiguration(TINY, method, data=mesh[0], fsdp=mesh[1]))
        for mesh in ((1, 1), (8, 1), (2, 4))
    }
    assert parts[1, 1] == parts[8, 1]
    leaves = StepConfiguration(TINY, method).parts[1].values()
    whole = sum(2 * leaf.size for leaf in leaves)
    cut = sum(2 * leaf.size // (4 if leaf.ndim == 2 else 1) for leaf in leaves)
    assert (parts[1, 1]["frozen weights"], parts[2, 4]["frozen weights"]) == (whole, cut)


@pytest.mark.parametrize("method", [LoRA(rank=2), IA3(), LastLayers(2)], ids=str)
def test_with_remat_jax_keeps_the_input_of_each_layer(method):
    """By the shapes of what its backward pass takes from the forward pass: no compiler is asked."""
    one = StepConfiguration(TINY, method, rows=5, tokens=11, targets=3, dtype="float32", remat=True)
    trained, frozen, rows = jax.tree.map(
        lambda x: jnp.zeros(x.shape, x.dtype), (*one.parts, one.batch)
    )

    def backward(trained, remat):
        def loss(trained):
            leaves = {**frozen, **trained}
            adapted = Adapted(TINY, (method,), leaves, jnp.float32, remat=remat)
            return target_logprobs(adapted, rows, prompt_frame())[0].sum()

        return jax.vjp(loss, trained)[1]

    kept, all_kept = (
        [x.shape for x in jax.tree.leaves(jax.eval_shape(lambda t, r=r: backward(t, r), trained))]
        for r in (True, False)
    )
    inner, hidden = (5, 11, TINY.config.hidden), (5, 11, TINY.config.width)
    assert inner not in kept and inner in all_kept
    assert kept.count(hidden) == one.layers_back()
    at_targets = 5 * 3 * TINY.config.width
    assert kept_by_all(one) == 4 * (math.prod(hidden) * one.layers_back() + at_targets)


CODE = """
import json, sys
import jax
jax.config.update("jax_platforms", "cpu")
jax.config.update("jax_num_cpu_devices", 8)
from research.methods import METHODS
from research.models.llama.model import Decoder
from research.models.llama.config import DecoderConfig
from research.studies.scale.compiled import compiler_report
from research.studies.scale.memory import HELD, step_memory, temporary
from research.studies.scale.flops import flops_per_token
from research.studies.scale.configuration import StepConfiguration

model = Decoder(DecoderConfig(512, 128, 4, 4, 2, 32, 352, 512))
for name, fields, data, remat in json.load(sys.stdin):
    method = METHODS[name](**fields)
    one = StepConfiguration(model, method, 2, 128, data=data, remat=remat, dtype="float32")
    parts = step_memory(one)
    flops = flops_per_token(one)["remat" if remat else "step"] * one.rows * one.tokens
    held = sum(parts[name] for name in HELD)
    print(json.dumps([held, temporary(parts), flops, compiler_report(one)]))
"""
COMPILED = [
    ("full", {}, 1, False),
    ("lora", {"rank": 8}, 8, False),
    ("last_layers", {"last": 2}, 1, False),
    ("soft_prompt", {"length": 20}, 1, False),
    ("prefix", {"length": 20}, 1, False),
    ("ia3", {}, 1, False),
    ("lora", {"rank": 8}, 8, True),
]


@pytest.fixture(scope="module")
def compiled():
    """For each case what the formula and what XLA say, in a process with the scheduler that saves
    memory, as accelerators have.
    """
    flags = f"{os.environ.get('XLA_FLAGS', '')} {FLAG}"
    done = subprocess.run(
        [sys.executable, "-c", CODE],
        input=json.dumps(COMPILED),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "XLA_FLAGS": flags},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.thorough
@pytest.mark.parametrize("case", range(len(COMPILED)), ids=lambda i: str(COMPILED[i]))
def test_formula_beside_the_compiler(compiled, case):
    """Held is what the arguments take, but for scalars. What a step makes is within a quarter: XLA
    may keep scores beside weights, and make again what the formula has it keep. FLOPs: norms,
    softmax and optimizer are left out, and of layers computed again the last product is not needed.
    """
    held, temporary, flops, told = compiled[case]
    assert held == pytest.approx(told["argument_bytes"], rel=1e-4)
    assert flops == pytest.approx(told["flops"], rel=0.1)
    if not COMPILED[case][-1]:
        assert temporary == pytest.approx(told["temporary_bytes"], rel=0.25)


@pytest.mark.thorough
def test_remat_makes_a_compiled_step_smaller(compiled):
    """LoRA on four layers and eight devices: by more than half."""
    plain, again = compiled[1][-1], compiled[-1][-1]
    assert again["temporary_bytes"] < 0.5 * plain["temporary_bytes"]
    assert again["flops"] > 1.2 * plain["flops"]


@pytest.mark.thorough
def test_a_spread_cohort_holds_its_members_and_tells_nothing():
    one = StepConfiguration(TINY, LoRA(rank=2), rows=2, tokens=8, targets=3, dtype="float32")
    step = compile_together(one, 8, devices=8)
    assert collectives(step.as_text()) == {}
    alone = step_memory(one)
    held = sum(alone[name] for name in HELD)
    assert step.memory_analysis().argument_size_in_bytes == pytest.approx(held, rel=0.01)


def test_committed_page_is_made_from_its_figures():
    stored = json.loads((RESULTS / "scale.json").read_text())
    assert page(stored) == (RESULTS / "scale.md").read_text()


@pytest.mark.parametrize("size", ["60M", pytest.param("70B", marks=pytest.mark.thorough)])
def test_committed_figures_are_those_of_the_formula(size: str):
    stored = json.loads((RESULTS / "scale.json").read_text())["formula"]
    found = [row for row in stored if row["size"] == size]
    assert len(found) == 65
    for row in found[:: 1 if size == "60M" else 7]:
        mesh = figures.LAYOUTS[row["layout"]]
        one = figures.setting(size, row["method"], *mesh, remat=row["remat"])
        assert step_memory(one) == row["bytes"] and peak_bytes_of(row["bytes"]) == row["peak"]
