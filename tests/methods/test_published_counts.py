"""As many parameters as the papers of the methods print, counted on the shapes of their models."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import pytest

from research.methods.adalora import AdaLoRA
from research.methods.bottleneck import Bottleneck
from research.methods.ia3 import IA3
from research.methods.lora import LoRA
from research.methods.lora_fa import LoRAFA
from research.methods.norms import Norms
from research.methods.prefix import PrefixTuning
from research.methods.shared.leaves import add, added_to, mask, stored_leaves
from research.methods.soft_prompt import SoftPrompt
from research.methods.vera import VeRA
from research.models import MODELS
from research.models.backbone import shapes
from research.models.gpt2.model import GPT2, GPT2Config
from tests import checkpoints
from tests.published_counts import LORA, LORA_NOMINAL, PROMPTS, QKVO
from tests.tiny import WORDS

T5_VOCABULARY = 32_128

GPT2_MEDIUM = GPT2(GPT2Config(50_257, 1024, layers=24, heads=16, hidden=4096, context=1024))

BERT_BASE = dict(
    hidden_size=768,
    num_hidden_layers=12,
    num_attention_heads=12,
    intermediate_size=3072,
    vocab_size=30_522,
)
T5_LARGE = dict(d_model=1024, d_ff=4096, num_heads=16, num_layers=24, d_kv=64)
# Of T5 1.1, which T0 3B is too.
T5_XL = dict(d_model=2048, d_ff=5120, num_heads=32, num_layers=24, d_kv=64)


def like(variant: str, **changes) -> dict[str, tuple[int, ...]]:
    """The leaves' shapes of a model of the family of a variant, without a masked-LM head."""
    fields = {**checkpoints.VARIANTS[variant], "max_position_embeddings": 512, **changes}
    if variant == "bert":
        fields |= {"architectures": ["BertModel"]}
    if variant.startswith("t5"):
        fields |= {"num_decoder_layers": fields["num_layers"], "vocab_size": T5_VOCABULARY}
    return shapes(MODELS[fields["model_type"]].from_hf(fields))


def added(method, shapes) -> dict[str, jax.ShapeDtypeStruct]:
    """What a method adds to a backbone whose leaves have these shapes."""
    leaves = {path: jax.ShapeDtypeStruct(shape, jnp.float32) for path, shape in shapes.items()}
    return jax.eval_shape(partial(add, method, words=WORDS), jax.random.PRNGKey(0), leaves)


def count(method, shapes) -> int:
    """Parameters that a method adds."""
    return sum(leaf.size for leaf in added(method, shapes).values())


def trained(method, shapes) -> int:
    """Parameters that train, added or of the backbone."""
    whole = shapes | {path: leaf.shape for path, leaf in added(method, shapes).items()}
    return sum(math.prod(whole[path]) for path, is_so in mask((method,), whole).items() if is_so)


def lora_count(layers, width, rank, targets) -> int:
    names = [f"layers_{i}/attention/{name}" for i in range(layers) for name in QKVO]
    kernels = {f"{name}/kernel": (width, width) for name in names}
    return count(LoRA(rank=rank, targets=targets), kernels)


@pytest.mark.parametrize("row", LORA.values(), ids=LORA)
def test_lora(row):
    """The tables round to a tenth of a million, some of their numbers down."""
    *sizes, expected, printed = row
    assert lora_count(*sizes) == expected
    assert abs(expected / 1e6 - printed) < 0.1


@pytest.mark.parametrize("row", LORA_NOMINAL.values(), ids=LORA_NOMINAL)
def test_lora_where_paper_and_formula_differ(row):
    *sizes, expected, printed = row
    assert lora_count(*sizes) == expected
    digits = 2 if printed < 1 else 1
    assert abs(expected / 1e6 - printed) > 10**-digits


def test_lora_of_a_fused_layer():
    """R * (D + 3 * D) beside `qkv` is as much as 2 * R * D beside query and beside value.

    The authors keep the factors of the two apart; ours share A, and change the key too.
    """
    assert count(LoRA(rank=4), shapes(GPT2_MEDIUM)) == 393_216


@pytest.mark.parametrize(("length", "expected"), [(5, 245_760), (10, 491_520)])
def test_prefixes(length, expected):
    """Li & Liang 2021 (arXiv 2101.00190): tables 1 and 6, "0.1%" of GPT-2 medium.

    The lengths are those for E2E and WebNLG, and for DART.
    """
    backbone = shapes(GPT2_MEDIUM)
    found = count(PrefixTuning(length=length), backbone)
    assert found == expected
    assert round(100 * found / sum(map(math.prod, backbone.values())), 1) == 0.1


@pytest.mark.parametrize("size", PROMPTS)
def test_soft_prompts(size):
    width, published = PROMPTS[size]
    table = {"embed/embedding": (T5_VOCABULARY, width)}
    found = {length: count(SoftPrompt(length=length), table) for length in published}
    assert found == published


def test_the_mlp_of_prefixes():
    """Embedding(5, 1024), Linear(1024, 512), Linear(512, 24 * 2 * 1024) and biases, for GPT-2
    medium in the code of Li & Liang; what is kept has the count of the paper.
    """
    method = PrefixTuning(length=5, hidden=512)
    outer = 24 * 2 * 1024
    expected = 5 * 1024 + 1024 * 512 + 512 + 512 * outer + outer
    assert count(method, shapes(GPT2_MEDIUM)) == expected == 25_744_896
    leaf = added_to(method, added(method, shapes(GPT2_MEDIUM)))[""]
    assert sum(one.size for one in jax.eval_shape(method.stored, leaf).values()) == 245_760


def test_ia3_and_norms_on_t0_3b():
    """Liu et al. 2022 (arXiv 2205.05638), table 4: IA3 has 540K, LayerNorm 250K."""
    leaves = like("t5 1.1", **T5_XL)
    assert trained(IA3(), leaves) == 24 * (2 * 2048 + 5120) + 24 * (4 * 2048 + 5120) == 540_672
    assert trained(Norms(), leaves) == (24 * 2 + 1 + 24 * 3 + 1) * 2048 == 249_856


def test_norms_and_adapters_on_bert_base():
    """Houlsby et al. 2019 (arXiv 1902.00751), figure 4: 40k norms, adapters of 64 about 2M."""
    leaves = like("bert", **BERT_BASE)
    norms = (12 * 2 + 1) * 2 * 768
    assert trained(Norms(), leaves) == norms == 38_400
    one = 2 * 64 * 768 + 64 + 768
    assert trained(Bottleneck(), leaves) == 24 * one + norms == 2_417_664


def test_one_adapter_a_layer():
    """He et al. 2022 (arXiv 2110.04366), table 6: size 600 is 7.2 % of BART large, which has 24
    layers of width 1024 and 406M parameters. T5 large has its layers.
    """
    found = trained(Bottleneck(600, "pfeiffer"), like("t5", **T5_LARGE)) // 2
    assert found == 24 * (2 * 1024 * 600 + 600 + 1024)
    assert int(1000 * found / 406e6) / 10 == 7.2


# Kopiczko et al. 2024 (arXiv 2310.11454), table 2: layers, width, rank, the count in millions.
VERA = {"RoBERTa base": (12, 768, 1024, 0.043), "RoBERTa large": (24, 1024, 256, 0.061)}


def square_kernels(layers, width, names=("query", "value")):
    paths = [f"layers_{i}/attention/{name}/kernel" for i in range(layers) for name in names]
    return {path: (width, width) for path in paths}


@pytest.mark.parametrize("name", VERA)
def test_vera(name):
    """Section 3.2: L (D + R) train, and no more is stored: the matrices follow from a seed."""
    layers, width, rank, printed = VERA[name]
    kernels, method = square_kernels(layers, width), VeRA(rank=rank)
    expected = 2 * layers * (width + rank)
    assert trained(method, kernels) == expected
    assert round(expected / 1e6, 3) == printed
    stored = jax.eval_shape(lambda leaves: stored_leaves((method,), leaves), added(method, kernels))
    assert sum(leaf.size for leaf in stored.values()) == expected
    assert count(method, kernels) == expected + 2 * width * rank


def test_lora_fa_trains_half_of_lora():
    """Zhang et al. 2023 (arXiv 2308.03303), section 3: of square kernels, one factor of two."""
    kernels = square_kernels(12, 768)
    assert trained(LoRAFA(rank=8), kernels) == 294_912 // 2
    assert count(LoRAFA(rank=8), kernels) == trained(LoRA(rank=8), kernels) == 294_912


def test_adalora_has_the_singular_values_beside_the_factors_of_lora():
    """Zhang et al. 2023 (arXiv 2303.10512), table 1: 0.33M for LoRA of rank 2 on all six kernels
    of the 12 layers of DeBERTaV3 base; a rank of 2 on average adds a number a rank.
    """
    kernels = square_kernels(12, 768, QKVO)
    for layer in range(12):
        kernels[f"layers_{layer}/mlp/up/kernel"] = (768, 3072)
        kernels[f"layers_{layer}/mlp/down/kernel"] = (3072, 768)
    targets = (*QKVO, "up", "down")
    lora = trained(LoRA(rank=2, targets=targets), kernels)
    assert round(lora / 1e6, 2) == 0.33
    assert trained(AdaLoRA(rank=2, targets=targets), kernels) == lora + 12 * 6 * 2


def test_pissa_trains_as_much_as_lora():
    kernels = square_kernels(2, 64)
    pissa = LoRA(rank=4, start="pissa")
    assert trained(pissa, kernels) == trained(LoRA(rank=4), kernels)
    assert count(pissa, kernels) == 2 * trained(pissa, kernels)
