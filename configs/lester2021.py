"""Prompt tuning (Lester, Al-Rfou & Constant 2021, arXiv 2104.08691) on SuperGLUE.

    python scripts/sweep.py --config configs/lester2021.py:base
    python scripts/sweep.py --config configs/lester2021.py:xl,length --plan

Needs weights and data of the hub, except with `--plan`. The first argument is the size of T5 1.1,
LM-adapted: small, base, large, xl, xxl. The second is the comparison: `methods`, prompt tuning and
model tuning (the default); `length`, prompts of 1 to 150 tokens (figure 3a); `start`,
initialisations of the prompt (figure 3b).

Recipe of the paper (section 3 and appendix A): Adafactor at a constant rate of 0.3, neither scaled
by the parameter nor factored, decay 1e-5 per step, 30,000 steps of 32 rows, prompts of 100 tokens
initialised from the labels, three seeds, the best step on dev.

Differences between paper and authors' code; the paper counts:
- Their demonstrations use batches of 128 for 50,000 steps and a small z-loss.
- `uniform` is in +-0.5; their code draws from 0 to 0.5.
- Their Adafactor takes its decay rate from the checkpoint's step, 1.1M; here it begins at 0.
- The paper does not mention dropout; T5's 0.1 is from the code.

Texts are cut at 512 tokens, including the answer. Tasks use T5's format without task names, as in
the paper. WSC and ReCoRD have no labels: the model writes the answer, and their prompts are
initialised from the words that the paper names. Test labels are not public, so the validation split
is used as test, once, and up to 100 training examples are dev. WSC's training set has right
referents only; its dev score is the share of referents found. Scores are accuracies, and F1 for
ReCoRD. CB is scored without F1; MultiRC is scored by answer and keeps its markup.

Expected average over the eight tasks (Vu et al. 2022, arXiv 2110.07904, table 4), small to xxl:

    prompt tuning  59.8  63.1  74.5  79.2  88.8
    model tuning   62.8  73.7  81.3  83.1  89.9
"""

from ml_collections import ConfigDict

from research.common.errors import choose_from

# Width, hidden width of the MLP, heads and layers of encoder and of decoder.
SIZES = {
    "small": (512, 1024, 6, 8),
    "base": (768, 2048, 12, 12),
    "large": (1024, 2816, 16, 24),
    "xl": (2048, 5120, 32, 24),
    "xxl": (4096, 10_240, 64, 24),
}
# Columns in T5's order, and the labels; None if the model writes the answer.
TASKS = {
    "boolq": (("passage", "question"), ("False", "True")),
    "cb": (("hypothesis", "premise"), ("entailment", "contradiction", "neutral")),
    "copa": (("choice1", "choice2", "premise", "question"), ("choice1", "choice2")),
    "multirc": (("question", "answer", "paragraph"), ("False", "True")),
    "record": None,
    "rte": (("hypothesis", "premise"), ("entailment", "not_entailment")),
    "wic": (("sentence1", "sentence2", "word"), ("False", "True")),
    "wsc": None,
}
LENGTHS = (1, 5, 20, 100, 150)
STARTS = ("uniform", "vocabulary", "labels")
COMPARISONS = ("methods", "length", "start")
RATE = 0.3


def get_config(argument: str = "base") -> ConfigDict:
    size, _, comparison = argument.partition(",")
    comparison = comparison or "methods"
    for value, allowed in ((size, SIZES), (comparison, COMPARISONS)):
        if value not in allowed:
            raise KeyError(f"{argument!r} is no size and comparison: {choose_from(allowed, value)}")
    config = ConfigDict()
    config.name = f"lester2021_{size}_{comparison}"
    config.backbone = f"google/t5-{size}-lm-adapt"
    config.architecture = architecture(*SIZES[size])
    config.tasks = tuple(superglue(name, task) for name, task in TASKS.items())
    config.regimes = ("all",)
    config.seeds = config.search_seeds = 3  # one trial per row: all seeds run at once
    config.max_dev = 100
    config.max_tokens = 512
    config.too_long = "cut"

    config.schedule = ConfigDict()
    config.schedule.steps = 30_000
    config.schedule.batch_size = 32
    config.schedule.optimizer = "adafactor"
    config.schedule.parameter_scale = False
    config.schedule.factored = False
    config.schedule.decay = "constant"
    config.schedule.warmup = 0.0  # so no rate of 0: the authors' factors are "constant" alone
    config.schedule.clip = None
    config.schedule.dropout = 0.1
    config.schedule.eval_every = 1000
    config.schedule.patience = 30  # no early stopping; the best step counts

    config.approaches = {
        "methods": (prompt("prompt tuning"), model_tuning()),
        "length": tuple(prompt(f"length {length}", length=length) for length in LENGTHS),
        "start": tuple(prompt(f"start: {start}", start=start) for start in STARTS),
    }[comparison]
    return config


def prompt(name: str, length: int = 100, start: str = "labels") -> dict:
    """A soft prompt. Random tokens come from the 5,000 most frequent ones, the first ids."""
    method = dict(name="soft_prompt", length=length, start=start, common=5000)
    # Our weight decay is multiplied by the learning rate, the paper's is not.
    stage = dict(method=method, learning_rate=RATE, weight_decay=1e-5 / RATE)
    return dict(name=name, stages=[stage])


def model_tuning() -> dict:
    """Full fine-tuning: Adafactor at 1e-3, as in T5's pretraining, 2^16 tokens per batch."""
    schedule = dict(batch_size=128, parameter_scale=True, factored=True)
    stage = dict(method=dict(name="full"), learning_rate=1e-3, schedule=schedule)
    return dict(name="model tuning", stages=[stage])


def superglue(name: str, label_task: tuple[tuple[str, ...], tuple[str, ...]] | None) -> dict:
    """Settings of a task.

    Args:
        name: the task's name in SuperGLUE.
        label_task: its columns and labels; None if the model writes the answer.
    """
    common = dict(name=name, path="aps/super_glue", train="train", test="validation")
    if label_task is None:
        return dict(source=f"superglue_{name}", **common)
    columns, labels = label_task
    return dict(
        source="file",
        config_name=name,
        text=columns,
        templates=(" ".join(f"{column}: {{{column}}}" for column in columns),),
        verbalizer={label: label for label in labels},
        **common,
    )


def architecture(width: int, hidden: int, heads: int, layers: int) -> dict:
    """The config.json of T5 1.1, for plans without a download."""
    return dict(
        model_type="t5",
        vocab_size=32_128,
        d_model=width,
        d_kv=64,
        d_ff=hidden,
        num_layers=layers,
        num_decoder_layers=layers,
        num_heads=heads,
        feed_forward_proj="gated-gelu",
        tie_word_embeddings=False,
        decoder_start_token_id=0,
    )
