"""Whatever stands in a config.json, a model is made of it or it is refused in one sentence."""

import json

import pytest

from research.common.errors import InputError
from research.models.backbone import load_backbone, model_of, shapes
from tests import checkpoints
from tests.thorough import cases

WRONG = [None, True, 0, -1, 1, 3, 10**6, 10**9, 10**13, 10**30, 10**400, 1e308, 0.5]
WRONG += [float("nan"), float("inf"), "", "x", "gelu", [], [1], ["x"], [None], [[]]]
WRONG += [{}, {"a": 1}, {"0": {}}, {"rope_type": []}, {"rope_type": "linear", "factor": "x"}]
WRONG += [{"rope_type": "linear", "factor": 10**30}, {"rope_theta": []}, {"rope_theta": 10**400}]
WRONG += [{"rope_type": "yarn", "factor": 1e300}, {"rope_type": "longrope", "short_factor": [[]]}]
# Fields that some config.json has and those of the variants do not.
FURTHER = [
    "activation_function",
    "attention_multiplier",
    "attn_logit_softcapping",
    "architectures",
    "attention_dropout",
    "d_ff",
    "decoder_start_token_id",
    "final_logit_softcapping",
    "head_dim",
    "hidden_act",
    "hidden_activation",
    "id2label",
    "layer_norm_eps",
    "layer_norm_epsilon",
    "layer_types",
    "logits_scaling",
    "max_window_layers",
    "n_ctx",
    "n_inner",
    "no_rope_layer_interval",
    "no_rope_layers",
    "norm_eps",
    "num_decoder_layers",
    "num_labels",
    "pad_token_id",
    "original_max_position_embeddings",
    "partial_rotary_factor",
    "pretraining_tp",
    "quantization_config",
    "query_pre_attn_scalar",
    "rms_norm_eps",
    "rope_local_base_freq",
    "rope_parameters",
    "rope_scaling",
    "rotary_emb_base",
    "rotary_pct",
    "rope_theta",
    "sliding_window",
    "sliding_window_pattern",
    "tie_word_embeddings",
    "use_parallel_residual",
    "use_sliding_window",
]
KINDS = ["llama", "qwen3, biases, windows in some layers", "mistral", "gpt2", "bert", "roberta"]


RELATIVES = ["olmo2", "smollm3", "granite", "phi3, longrope, partial rotary"]  # of Llama
RELATIVES += ["gemma2", "gemma3, linear frequencies, capped"]
RELATIVES += ["gpt_neox"]
KINDS += ["t5", "t5 1.1"]


@pytest.mark.parametrize("variant", cases([*KINDS, *RELATIVES], quick=KINDS))
def test_any_value_of_any_field(variant):
    fields, accepted = checkpoints.VARIANTS[variant], []
    for name in sorted({*fields, *FURTHER}):
        for value in WRONG:
            try:
                model = model_of({**fields, name: value})
            except InputError as error:
                assert "\n" not in str(error) and len(str(error)) < 1500
                continue
            if model not in accepted:
                accepted.append(model)
    # Shapes can be built of the smallest and of the largest values that are accepted.
    sizes = sorted(accepted, key=lambda model: model.config.vocab_size * model.config.width)
    assert len(sizes) > 5
    for model in sizes[:2] + sizes[-4:]:
        assert shapes(model)


@pytest.mark.parametrize("field", ["num_hidden_layers", "hidden_size", "vocab_size", "head_dim"])
def test_absurd_sizes_are_told_at_once(tmp_path, field):
    folder = checkpoints.write(tmp_path / "model", "llama")
    config = {**checkpoints.LLAMA, field: 10**7 + 1}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(InputError, match=f"{field} is 10000001: a whole number .* at most"):
        load_backbone(str(folder))


@pytest.mark.parametrize("depth", [300, 900, 3000, 100000])
def test_values_deep_within_one_another(tmp_path, depth):
    folder = checkpoints.write(tmp_path / "model", "llama")
    nested = "[" * depth + "]" * depth
    text = json.dumps(checkpoints.LLAMA).replace('"vocab_size": 61', f'"vocab_size": {nested}')
    (folder / "config.json").write_text(text)
    with pytest.raises(InputError, match=r"vocab_size is|too many values within one another"):
        load_backbone(str(folder))
