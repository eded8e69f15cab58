"""The comparison of methods of Hugging Face PEFT: Llama 3.2 3B on MetaMathQA and GSM8K.

    python scripts/sweep.py --config configs/peft_metamathqa.py --plan
    python scripts/sweep.py --config configs/peft_metamathqa.py:tuned --plan

Needs weights and data of the hub, except with `--plan`, and an accelerator. The argument is
`published`, one learning rate for each row as in huggingface/peft, method_comparison/MetaMathQA, or
`tuned`, which also tries a third and three times that rate. `--config.task.train=FILE` and
`--config.task.gsm8k=FOLDER` read the data from files.

Recipe (default_training_params.json and training_params.json of each experiment): 5000 steps of 4
examples, AdamW, warm-up of 10 % from 0 and cosine decay, clipping at 1, evaluation every 250 steps
on 50 problems of GSM8K's train split, outputs of at most 300 tokens. A weight decay that an
experiment leaves out is that of torch's AdamW, 0.01.

Differences from the published comparison:
- The best of the 20 evaluations counts, and there are five seeds; published are the last step and
  one seed.
- The loss is that of the response, published is that of query and response together.
- 20,000 queries are drawn with all of their responses; published are the first 20,000 rows.
- A prompt and the response are separated by a space, published are none.
- Adapters compute in bfloat16 as the backbone does; trained leaves and their updates are float32.
- PEFT's prefixes start as its own random numbers, and its LoRA-FA has an optimizer of its own.
- An answer is the last one in the output; published is the last after the first of five phrases
  that occurs.

Published accuracy on GSM8K's test split, in percent: rsLoRA 51.3, LoRA on the MLP 49.4, LoRA 47.8,
LoRA of rank 64 47.4, full fine-tuning 47.2, DoRA 46.9, LoRA-FA 40.4, IA3 39.8, VeRA 35.4, prompt
tuning 34.3, prefix tuning 18.6, norms 0.0.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from research.common.errors import choose_from

FACTORS = {"published": (1.0,), "tuned": (1.0, 1 / 3, 3.0)}
# Weight decay of default_training_params.json, and of torch's AdamW where an experiment sets none.
DECAY, TORCH_DECAY = 0.1, 0.01
MLP = ("gate", "up", "down")
# Row: the folder under experiments/, the method, its learning rate and weight decay. Ranks and
# targets are those of adapter_config.json; targets of None are PEFT's q_proj and v_proj.
ROWS: dict[str, tuple[str, dict[str, Any], float, float]] = {
    "rsLoRA, rank 64": (
        "lora/llama-3.2-3B-rank64-rslora",
        dict(name="lora", rank=64, alpha=64.0, stabilised=True),
        1e-4,
        DECAY,
    ),
    "LoRA on the MLP, rank 10": (
        "lora/llama-3.2-3B-rank10-target-mlp",
        dict(name="lora", rank=10, alpha=20.0, targets=MLP),
        1e-4,
        DECAY,
    ),
    "LoRA, rank 32": (
        "lora/llama-3.2-3B-rank32",
        dict(name="lora", rank=32, alpha=64.0),
        1e-4,
        DECAY,
    ),
    "LoRA, rank 64": (
        "lora/llama-3.2-3B-rank64",
        dict(name="lora", rank=64, alpha=128.0),
        1e-4,
        DECAY,
    ),
    "full fine-tuning": (
        "full-finetuning/llama-3.2-3B-lr_0.00001",
        dict(name="full"),
        1e-5,
        TORCH_DECAY,
    ),
    "DoRA, rank 32": (
        "lora/llama-3.2-3B-rank32-dora",
        dict(name="dora", rank=32, alpha=64.0),
        1e-4,
        DECAY,
    ),
    "LoRA-FA, rank 32": (
        "lora/llama-3.2-3B-rank32-lorafa",
        dict(name="lora_fa", rank=32, alpha=64.0),
        1e-4,
        DECAY,
    ),
    "IA3": ("ia3/llama-3.2-3B-lr_0.001", dict(name="ia3"), 1e-3, TORCH_DECAY),
    "VeRA, rank 256": (
        "vera/llama-3.2-3B-default",
        dict(name="vera", rank=256),
        1e-3,
        TORCH_DECAY,
    ),
    "prompt tuning, 200 tokens": (
        "prompt_tuning/llama-3.2-3B-sample_vocab-lr_0.001",
        dict(name="soft_prompt", length=200, start="vocabulary"),
        1e-3,
        TORCH_DECAY,
    ),
    "prefix tuning, 200 tokens": (
        "prefixtuning/llama-3.2-3B-lr_0.001",
        dict(name="prefix", length=200),
        1e-3,
        TORCH_DECAY,
    ),
    "norms": ("ln_tuning/llama-3.2-3B-default", dict(name="norms"), 1e-4, DECAY),
}
# config.json of Llama 3.2 3B, for plans without a download.
ARCHITECTURE = dict(
    model_type="llama",
    vocab_size=128_256,
    hidden_size=3072,
    intermediate_size=8192,
    num_hidden_layers=28,
    num_attention_heads=24,
    num_key_value_heads=8,
    head_dim=128,
    max_position_embeddings=131_072,
    rms_norm_eps=1e-5,
    rope_theta=500_000.0,
    rope_scaling=dict(
        rope_type="llama3",
        factor=32.0,
        low_freq_factor=1.0,
        high_freq_factor=4.0,
        original_max_position_embeddings=8192,
    ),
    tie_word_embeddings=True,
)


def get_config(argument: str = "published") -> ConfigDict:
    if argument not in FACTORS:
        raise KeyError(f"{argument!r} is no set of rates: {choose_from(FACTORS, argument)}")
    config = ConfigDict()
    config.name = f"peft_metamathqa_{argument}"
    config.backbone = "meta-llama/Llama-3.2-3B"  # model_id
    config.architecture = ARCHITECTURE
    config.precision = "bfloat16"  # dtype
    config.task = ConfigDict()
    config.task.source = "metamathqa"
    config.task.name = "metamathqa"
    config.task.most_dev = 50  # VALID_SIZE of data.py
    config.task.most_characters = 1300  # CHAR_LIMIT of data.py
    config.task.templates = ("Question: {question} Think step by step.\nAnswer:",)  # query_template
    config.task.decoding = dict(max_new_tokens=300)  # generation_kwargs
    config.regimes = ("20000",)  # max_steps of batch_size examples
    config.seeds = 5
    config.search_seeds = 1
    config.max_dev = 50
    config.max_tokens = 768  # max_seq_length
    config.too_long = "cut"

    config.schedule = ConfigDict()
    config.schedule.steps = 5000  # max_steps
    config.schedule.batch_size = 4
    config.schedule.warmup = 0.1  # WARMUP_STEP_RATIO of utils.py
    config.schedule.warmup_from_zero = True  # get_cosine_schedule_with_warmup
    config.schedule.decay = "cosine"  # lr_scheduler
    config.schedule.clip = 1.0  # grad_norm_clip
    config.schedule.eval_every = 250  # eval_steps
    config.schedule.patience = 20  # no early stopping; the best step counts

    rows = [row(name, *values[1:], argument) for name, values in ROWS.items()]
    config.approaches = (dict(name="zero-shot prompt"), *rows)
    return config


def row(
    name: str, method: Mapping[str, Any], rate: float, decay: float, argument: str
) -> dict[str, Any]:
    """One stage, whose learning rate is the published one or chosen on dev."""
    trials = [dict(learning_rate=rate * factor, weight_decay=decay) for factor in FACTORS[argument]]
    return dict(name=name, stages=[dict(method=method)], trials=trials)
