"""The benchmark cases and the speedup that each has to reach.

Frozen weights and operations are float32 on a CPU and bfloat16 on a GPU; trained weights are always
float32.
"""

from functools import partial
from pathlib import Path

from research.methods.head import Head
from research.methods.lora import LoRA
from research.methods.method import Method
from research.methods.prefix import PrefixTuning
from research.methods.soft_prompt import SoftPrompt
from research.models.model import Model
from research.studies.speed import case_files, inputs, real_inputs
from research.studies.speed.case import OURS, PEFT, Case, StartupCase, WholeProcessCase, Write

SOFT, SHORT, PREFIX = SoftPrompt(length=100), SoftPrompt(length=20), PrefixTuning(length=100)
LORA = LoRA(rank=8, alpha=16.0, targets=("query", "value"))
# Throughput of many LoRA runs at once against existing systems (arXiv 2508.02932, 2602.07263).
CONCURRENT = "PLoRA up to 12.8, tLoRA 1.2 to 1.8"


def random_case(
    folder: Path,
    shape: str | Model,
    rows: int,
    width: int,
    targets: int,
    methods: tuple[Method, ...] = (),
    opening: int = 0,
    labels: int = 0,
    adapters: int = 1,
) -> None:
    """Writes a model with random weights, batches of random tokens, and adapters.

    Args:
        folder: Where the files are written.
        shape: A name in `SHAPES`, or a model.
        rows: Rows per batch.
        width: Tokens per row.
        targets: Predicted tokens at the end of each row.
        methods: Methods of each adapter, or that train the backbone; none: everything trains.
        opening: Number of tokens that precede every row.
        labels: Number of label texts to score.
        adapters: Number of adapters.
    """
    vocabulary = inputs.write_shape(folder, shape)
    batches = inputs.random_batches(vocabulary, rows, width, targets, opening, labels)
    case_files.write_batches(folder, batches)
    if adapters > 1:
        inputs.write_adapters(folder, [methods] * adapters)
    elif methods:
        inputs.write_methods(folder, methods)


def product_case(rows: int, inner: int, columns: int) -> Case:
    """A single matrix product, which compares the libraries below the two sides."""
    write = partial(case_files.write_factors, rows=rows, inner=inner, columns=columns)
    name = f"matrix product, {rows} x {inner} and {inner} x {columns}"
    return Case(name, None, write, "product", (PEFT, "product"), device="cpu")


def concurrent_case(shape: str, runs: int, at_least: float | None = None) -> Case:
    """A cohort trained as one program against the same runs one after the other."""
    return Case(
        f"{shape}, LoRA r=8, 8 x 32, {runs} runs at once, a step of one",
        at_least,
        _drawn(shape, 8, 32, 1, (LORA,)),
        f"train {runs} together",
        device="gpu",
        runs=runs,
        published=CONCURRENT,
    )


def mixed_case(shape: str, at_least: float | None, device: str = "any") -> Case:
    """Rows that each use one of 16 adapters against rows that all use the first."""
    return Case(
        f"{shape}, LoRA r=8 of 16 tasks mixed, against one task",
        at_least,
        _drawn(shape, 32, 33, 1, (LORA,), opening=1, labels=4, adapters=16),
        "mixed",
        (OURS, "one task"),
        device=device,
    )


def scan_case(name: str, write: Write) -> Case:
    """Equal layers as one scan against layers that are unrolled."""
    return Case(
        f"{name}, layers as a scan, against unrolled",
        None,
        write,
        "train by scan",
        (OURS, "train"),
        device="gpu",
    )


def _sweep_case(name: str, at_least: float, config: str) -> WholeProcessCase:
    return WholeProcessCase(name, at_least, config, partial(real_inputs.world, config=config))


def _drawn(*args, **settings) -> Write:
    return lambda folder: random_case(folder, *args, **settings)


SMALL = partial(_drawn, "decoder 10M", 32)
T5 = partial(_drawn, "T5 small", 16, 132, 4)
BILLION = partial(_drawn, "decoder 1B", 16, 128, 1)
LARGE = partial(_drawn, "T5 large", 16, 260, 4)
LONG = partial(_drawn, "decoder 1B", 4, 1024, 1)
ON_GPU = partial(Case, at_least=None, device="gpu")

# Those that `scripts/benchmark.py --large` measures.
LARGE_CASES = (
    ON_GPU("decoder 1B, LoRA r=8, 16 x 128", write=BILLION((LORA,))),
    ON_GPU("decoder 1B, soft prompt 100, 16 x 128", write=BILLION((SOFT,))),
    ON_GPU("decoder 1B, full, 16 x 128", write=BILLION()),
    ON_GPU("T5 large, LoRA r=8, 16 x 256 in, 4 out", write=LARGE((LORA,))),
    ON_GPU("T5 large, soft prompt 100, 16 x 256 in, 4 out", write=LARGE((SOFT,))),
    ON_GPU("T5 large, full, 16 x 256 in, 4 out", write=LARGE()),
    concurrent_case("decoder 1B", 16),
    concurrent_case("decoder 1B", 64),
    mixed_case("decoder 1B", 0.9, device="gpu"),
    scan_case("decoder 1B, LoRA r=8, 16 x 128", BILLION((LORA,))),
)
CASES = (
    product_case(1024, 288, 768),  # of the decoder's MLP, 32 x 32 tokens
    product_case(3648, 512, 1024),  # of T5's MLP, 16 x (100 + 128) tokens
    Case("decoder 10M, soft prompt 100, 32 x 32", 5.0, SMALL(32, 1, (SOFT,))),
    Case("decoder 10M, soft prompt 20, 32 x 128", 1.4, SMALL(128, 1, (SHORT,))),
    Case("decoder 10M, prefix 100, 32 x 32", 1.3, SMALL(32, 1, (PREFIX,))),
    Case("decoder 10M, LoRA r=8, 32 x 32", 1.4, SMALL(32, 1, (LORA,))),
    Case("decoder 10M, LoRA r=8, 32 x 32, loss on all tokens", None, SMALL(32, 31, (LORA,))),
    Case("decoder 10M, full, 32 x 32", 1.3, SMALL(32, 1)),
    Case("T5 small, soft prompt 100, 16 x 128 in, 4 out", 1.1, T5((SOFT,))),
    Case("T5 small, LoRA r=8, 16 x 128 in, 4 out", 1.1, T5((LORA,))),
    Case("T5 small, full, 16 x 128 in, 4 out", 1.1, T5()),
    Case(
        "MiniLM, LoRA r=8 and head, 16 rows of SST-2",
        1.7,
        partial(real_inputs.sst2, (LORA, Head())),
        "train by length",
        cycle=real_inputs.STEPS,
        learning_rate=1e-6,  # so that the order of the rows does not change the losses
    ),
    Case(
        "decoder 10M, 8 shots, 4 labels, 32 x 32",
        6.0,
        SMALL(34, 2, opening=256, labels=4),
        "score",
        (PEFT, "score"),
    ),
    mixed_case("decoder 10M", 0.9),
    concurrent_case("decoder 10M", 16, 10.0),
    concurrent_case("decoder 10M", 64, 10.0),
    *LARGE_CASES,
    ON_GPU("decoder 1B, LoRA r=8, 4 x 1024", write=LONG((LORA,))),
    ON_GPU(
        "decoder 1B, 4 x 1024, LoRA r=8, against attention that is not fused",
        write=LONG((LORA,)),
        other=(OURS, "train unfused"),
    ),
    ON_GPU(
        "decoder 1B, 16 x 128, LoRA r=8, against deterministic operations",
        write=BILLION((LORA,)),
        other=(OURS, "train"),
        other_flags="--xla_gpu_deterministic_ops=true",
    ),
)
WHOLE_PROCESS_CASES = (
    _sweep_case("sweep of 16 LoRA runs, whole process", 2.0, "lora"),
    _sweep_case("sweep of 16 soft prompt runs, whole process", 3.0, "soft_prompt"),
)
STARTUP_CASES = (
    StartupCase(
        "start of scripts/train.py to its first step, compilation cached",
        10.0,
        "quickstart.py",
        "LoRA",
    ),
)
