"""The figures of results/scale as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from research.runtime.memory import peak_bytes
from research.studies.scale.figures import LAYOUTS, MEMBERS
from research.studies.scale.models import METHODS, SHAPES

INTRODUCTION = """\
# Scale

Memory and FLOPs of a training step for models of up to 70B parameters on up to 256 devices.
**No such machine was available**: the tables of FLOPs, memory and sweeps come from a formula in
[`research/studies/scale/`](../../research/studies/scale/memory.py). The last section compares it
with XLA's figures of the same step, compiled ahead of time for virtual CPU devices without creating
arrays. This page has no speeds.

The step: 8 rows of 512 tokens per device, of which the last 16 tokens are predicted. Computation is
in bfloat16; trained weights, their gradients and Adam's moments are in float32. The models are
Llama decoders: 60M (of GaLore), 1B (TinyLlama), 7B and 70B (Llama 2). Rows are split over all
devices. Each `data` device holds all leaves; the devices of an `fsdp` group hold a part of each
matrix. Attention is not tiled. Made by `scripts/scale.py`."""

FLOPS = """\
Matrix products, attention included, in 10⁹ FLOPs per token of a row; they do not depend on the
number of devices. With remat (`devices.remat`), layers through which gradients flow are computed a
second time. Gradients of frozen kernels are not computed, which leaves two thirds of full
fine-tuning. With last layers, no gradient flows through the layers below."""

MEMORY = """\
GB (10⁹ bytes) per device, without / with remat. A prompt alone needs a forward pass only."""

PARTS = """\
GB per device by purpose, for the 7B model on an fsdp group of 8 devices with remat. Not all of
them are needed at the same time, see `temporary` in
[`memory.py`](../../research/studies/scale/memory.py)."""

SWEEP = """\
LoRA runs on one device, GB, without remat. `together`: all runs are one vmapped program with one
copy of the frozen weights (accelerators). `in turn`: the runs are stepped one after the other, and
only their states are multiplied (CPU). Either way FLOPs are those of one run times the number of
runs. Runs on different devices do not communicate: eight devices take eight times the runs."""

CHECK = """\
In float32 and with 2 rows per device, since XLA on CPU computes bfloat16 in float32. Ratios are
formula / compiler. `held` are the bytes between steps, exact but for some scalars; `temporary` are
the bytes that a step allocates. The formula's FLOPs exclude norms, softmax and the optimizer. For a
recomputed layer they include its last product, which XLA omits as unnecessary.

- Without remat the formula is {least:.0%} to {most:.0%} below XLA's memory: it counts the attention
  weights once, while XLA may keep the scores too.
- With remat XLA takes more memory on CPU: it removes the barriers that delay the recomputation of a
  layer until its gradients are computed, and recomputes it early. A test in `tests/studies/` checks
  that JAX keeps one array per layer. Memory on accelerators was not measured.
- With fsdp and without remat XLA on CPU gathers each leaf once for both passes and so holds all
  gathered leaves at a time; the formula counts one."""

COHORTS = """\
Cohorts of LoRA runs of the 60M model in one program, GB per device:"""


def page(figures: dict[str, Any]) -> str:
    """Markdown of all tables."""
    rows = figures["formula"]
    parts = [INTRODUCTION, "## FLOPs per token", FLOPS, _flops(rows), "## Memory", MEMORY]
    for size in SHAPES:
        parts += [f"### {size}", _memory([row for row in rows if row["size"] == size])]
    parts += ["### Memory by purpose", PARTS, _parts(rows)]
    parts += ["## A sweep", SWEEP, _cohorts(figures["cohorts"])]
    parts += ["## The formula compared with the compiler", _below(figures["compiler"])]
    parts += [_check(figures["compiler"])]
    parts += [COHORTS, _cohort_check(figures["compiled cohorts"])]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    header = [list(head), [":---"] + ["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*header, *lines])


def _gb(number: float) -> str:
    return f"{number / 1e9:.3g}" if number < 1e12 else f"{number / 1e9:,.0f}"


def _row(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    """The first row with these values."""
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def _flops(rows: list[dict[str, Any]]) -> str:
    lines = []
    for method in METHODS:
        line = [method]
        for size in SHAPES:
            flops = _row(rows, size=size, method=method, layout="1 device")["flops"]
            names = ("step", "remat") if METHODS[method] else ("forward",)
            line.append(" / ".join(_gb(flops[name]) for name in names))
        lines.append(line)
    return _table(["", *(f"{size}: step / with remat" for size in SHAPES)], lines)


def _memory(rows: list[dict[str, Any]]) -> str:
    lines = []
    for method in METHODS:
        line = [method, f"{_row(rows, method=method)['trained']:,}"]
        for layout in LAYOUTS:
            both = [row for row in rows if row["method"] == method and row["layout"] == layout]
            line.append(" / ".join(_gb(row["peak"]) for row in both))
        lines.append(line)
    return _table(["", "trained parameters", *LAYOUTS], lines)


def _parts(rows: list[dict[str, Any]]) -> str:
    chosen = [
        _row(rows, size="7B", method=method, layout="8, fsdp", remat=METHODS[method] is not None)
        for method in METHODS
    ]
    lines = [[part, *(_gb(row["bytes"][part]) for row in chosen)] for part in chosen[-1]["bytes"]]
    return _table(["", *METHODS], [*lines, ["peak", *(_gb(row["peak"]) for row in chosen)]])


def _cohorts(rows: list[dict[str, Any]]) -> str:
    lines = []
    for members in MEMBERS:
        cohorts = [_row(rows, size=size, members=members) for size in SHAPES]
        line = [f"{_gb(row['together'])} / {_gb(row['in_turn'])}" for row in cohorts]
        lines.append([str(members), *line])
    return _table(["runs", *(f"{size}: together / in turn" for size in SHAPES)], lines)


def _below(rows: list[dict[str, Any]]) -> str:
    """The notes on the comparison, with the difference of the rows without remat."""
    plain = [row for row in rows if not row["remat"]]
    below = [1 - row["temporary"] / row["compiled"]["temporary_bytes"] for row in plain]
    return CHECK.format(least=min(below), most=max(below))


def _check(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        compiled = row["compiled"]
        temporary, flops = compiled["temporary_bytes"], compiled["flops"]
        lines.append(
            [
                f"{row['size']}, {row['method']}{', remat' if row['remat'] else ''}",
                f"{row['data']} x {row['fsdp']}",
                f"{row['held'] / compiled['argument_bytes']:.4f}",
                _gb(row["temporary"]),
                _gb(temporary),
                f"{row['temporary'] / temporary:.2f}",
                f"{row['flops'] / flops:.2f}",
            ]
        )
    head = ["", "data x fsdp", "held: ratio", "temporary, GB: formula", "XLA", "ratio"]
    return _table([*head, "FLOPs: ratio"], lines)


def _cohort_check(rows: list[dict[str, Any]]) -> str:
    lines = []
    for row in rows:
        peak = peak_bytes(row["compiled"]) or 0
        ratio = f"{row['expected'] / peak:.2f}"
        lines.append([str(row["members"]), str(row["devices"]), _gb(row["expected"]), _gb(peak)])
        lines[-1].append(ratio)
    return _table(["runs", "devices", "formula", "XLA", "ratio"], lines)
