"""Checks the options of an adapter_config.json."""

from collections.abc import Mapping
from typing import Any

from research.common.errors import InputError, check_choice
from research.models.checkpoint.config_fields import check_field

Config = Mapping[str, Any]

# Fields that say nothing about the trained adapter: where it comes from, how it started, defaults
# of options that are refused where they are in use. Sizes are checked by what they are sizes of.
SILENT = {
    "auto_mapping",
    "base_model_name_or_path",
    "inference_mode",
    "peft_type",
    "peft_version",
    "revision",
    "corda_config",
    "encoder_hidden_size",
    "ensure_weight_tying",  # tied tensors are then stored equal
    "eva_config",
    "init_ia3_weights",
    "init_weights",
    "loftq_config",
    "lora_ga_config",
    "megatron_core",
    "num_attention_heads",
    "num_layers",
    "prompt_tuning_init",
    "prompt_tuning_init_text",
    "qalora_group_size",
    "token_dim",
    "tokenizer_kwargs",
    "tokenizer_name_or_path",
}
# Fields that are read, by the type of the adapter.
READ = {
    "IA3": {"exclude_modules", "fan_in_fan_out", "feedforward_modules", "target_modules"},
    "LORA": {
        "alpha_pattern",
        "exclude_modules",
        "fan_in_fan_out",  # how a layer keeps its kernel; factors are kept one way
        "layers_pattern",
        "layers_to_transform",
        "lora_alpha",
        "lora_dropout",
        "r",
        "rank_pattern",
        "target_modules",
        "use_dora",
        "use_rslora",
    },
    "PROMPT_TUNING": {"num_virtual_tokens", "num_transformer_submodules"},
    "PREFIX_TUNING": {"num_virtual_tokens", "num_transformer_submodules", "prefix_projection"},
    "P_TUNING": {
        "encoder_dropout",
        "encoder_num_layers",
        "encoder_reparameterization_type",
        "num_virtual_tokens",
        "num_transformer_submodules",
    },
}
# Fields with values that change nothing.
FIXED: dict[str, tuple[Any, ...]] = {
    "bias": ("none", "all", "lora_only"),  # what trained is stored
    # Other starts change the kernels beside which the factors stand.
    "init_lora_weights": (True, False, None, "gaussian", "eva", "orthogonal"),
}
SWITCHES = ("use_dora", "use_rslora")  # options that are true or false
# What PEFT calls the purpose of a model that predicts as ours does; the first where there is none.
TASKS = {
    "causal": ("CAUSAL_LM", "FEATURE_EXTRACTION"),
    "seq2seq": ("SEQ_2_SEQ_LM",),
    "masked": ("FEATURE_EXTRACTION", "SEQ_CLS"),
}


def check_options(config: Config, route: str) -> None:
    """Raises InputError for an adapter of another kind, for another kind of model (`route` as in
    `Model`), or with an option in use that is not supported.
    """
    kind = config.get("peft_type")
    check_choice("peft_type", kind, READ)
    task = config.get("task_type")
    if task is not None and task not in TASKS[route]:
        raise InputError("task_type", task, f"of this backbone it is {' or '.join(TASKS[route])}")
    saved = config.get("modules_to_save") or []
    if not isinstance(saved, list) or not all(isinstance(name, str) for name in saved):
        raise InputError("modules_to_save", saved, "a list of names is expected")
    supported_names = SILENT | READ[str(kind)] | {"task_type", "modules_to_save"}
    for name in SWITCHES:
        if config.get(name) is not None:
            check_field(name, config[name], bool)
    for name, value in config.items():
        if name in FIXED:
            supported, allowed = value in FIXED[name], f"only {FIXED[name][0]!r} is supported"
        else:
            supported, allowed = name in supported_names or not value, "the option is not supported"
        if not supported:
            raise InputError(name, value, allowed)


def numeric_option(config: Config, name: str, kind: type = int) -> Any:
    """A number above 0. Raises InputError for another value, or none."""
    check_field(name, config.get(name), kind)
    return config[name]
