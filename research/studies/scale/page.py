"""The figures of results/scale as Markdown."""

from collections.abc import Iterable, Sequence
from typing import Any

from research.runtime.memory import peak_bytes
from research.studies.scale.figures import LAYOUTS, MEMBERS
from research.studies.scale.models import METHODS, SHAPES

INTRODUCTION = """\
# Scale

What a training step takes at sizes, and on numbers of devices, that no machine at hand could show.
**No such machine was at hand**: the tables of FLOPs, of memory and of a sweep come from a formula,
[`research/scale/`](../../research/scale/memory.py). The last section has it beside what XLA says of
the same step, compiled ahead of time for virtual CPU devices without making any array. How fast
anything would be is not said here.

The step: 8 rows of 512 tokens on every device, the last 16 of each predicted; bfloat16, but what
trains, its gradients and Adam's moments in float32. Decoders like Llama: 60M (of GaLore), 1B
(TinyLlama), 7B and 70B (Llama 2). Rows are cut over all devices; every `data` device holds all
leaves, those of an `fsdp` group hold a part of each matrix. Attention is not tiled. Made by
`scripts/scale.py`."""

FLOPS = """\
Products of matrices, attention included, in 10⁹ for each token of a row; the same on any number of
devices. With remat (`devices.remat`), layers through which gradients flow are computed once more.
Where kernels are frozen, none of their gradients is computed: two thirds of full fine-tuning. Last
layers send no gradient further down."""

MEMORY = """\
GB (10⁹ bytes) on each device, without / with remat. A prompt alone needs a forward pass."""

PARTS = """\
GB on each of 8 devices of an fsdp group at 7B, with remat, by what they are for. Not all of it is
there at the same time, see `temporary` in [`memory.py`](../../research/scale/memory.py)."""

SWEEP = """\
LoRA runs on one device, GB, without remat. `together`: members are one vmapped program, what is
frozen is there once, the rest for each of them (accelerators). `in turn`: the host steps one after
the other, and only states multiply (CPU). FLOPs are those of one run times the runs either way.
Members spread over devices tell one another nothing: eight devices take eight times the runs."""

CHECK = """\
In float32 and with 2 rows a device, since XLA computes bfloat16 in float32 on CPU. Ratios are
formula / compiler. Held is what lies in memory between steps, and exact but for some scalars;
`temporary` is what a step makes. FLOPs leave out norms, softmax and the optimizer, and of a layer
that is computed again count the last product, which XLA finds it need not make.

- Without remat the formula is {least:.0%} to {most:.0%} below what XLA takes: it counts the weights
  of attention once, where XLA may keep scores besides.
- With remat XLA takes more on CPU, as it there drops the barriers by which a layer's second
  computation waits for the gradients that need it, and so begins it early. That JAX keeps one array
  for each layer is tested in `tests/scale/`. What accelerators need was not seen.
- With fsdp and without remat XLA on CPU gathers a leaf once for both passes, and so has all of them
  at a time, where the formula has one."""

COHORTS = """\
Cohorts of LoRA runs of 60M in one program, GB of each device:"""


def page(figures: dict[str, Any]) -> str:
    """Markdown of all tables."""
    rows = figures["formula"]
    parts = [INTRODUCTION, "## FLOPs for each token", FLOPS, _flops(rows), "## Memory", MEMORY]
    for size in SHAPES:
        parts += [f"### {size}", _memory([row for row in rows if row["size"] == size])]
    parts += ["### Where it goes", PARTS, _parts(rows)]
    parts += ["## A sweep", SWEEP, _cohorts(figures["cohorts"])]
    parts += ["## The formula beside the compiler", _below(figures["compiler"])]
    parts += [_check(figures["compiler"])]
    parts += [COHORTS, _cohort_check(figures["compiled cohorts"])]
    return "\n\n".join(parts) + "\n"


def _table(head: Sequence[str], lines: Iterable[Sequence[str]]) -> str:
    lead = [list(head), [":---"] + ["---:"] * (len(head) - 1)]
    return "\n".join("| " + " | ".join(line) + " |" for line in [*lead, *lines])


def _gb(number: float) -> str:
    return f"{number / 1e9:.3g}" if number < 1e12 else f"{number / 1e9:,.0f}"


def _of(rows: list[dict[str, Any]], **wanted: Any) -> dict[str, Any]:
    return next(row for row in rows if all(row[name] == value for name, value in wanted.items()))


def _flops(rows: list[dict[str, Any]]) -> str:
    lines = []
    for method in METHODS:
        line = [method]
        for size in SHAPES:
            flops = _of(rows, size=size, method=method, layout="1 device")["flops"]
            shown = ("step", "remat") if METHODS[method] else ("forward",)
            line.append(" / ".join(_gb(flops[name]) for name in shown))
        lines.append(line)
    return _table(["", *(f"{size}: step / with remat" for size in SHAPES)], lines)


def _memory(rows: list[dict[str, Any]]) -> str:
    lines = []
    for method in METHODS:
        line = [method, f"{_of(rows, method=method)['trained']:,}"]
        for layout in LAYOUTS:
            found = [row for row in rows if row["method"] == method and row["layout"] == layout]
            line.append(" / ".join(_gb(row["peak"]) for row in found))
        lines.append(line)
    return _table(["", "trained parameters", *LAYOUTS], lines)


def _parts(rows: list[dict[str, Any]]) -> str:
    chosen = [
        _of(rows, size="7B", method=method, layout="8, fsdp", remat=METHODS[method] is not None)
        for method in METHODS
    ]
    lines = [[part, *(_gb(row["bytes"][part]) for row in chosen)] for part in chosen[-1]["bytes"]]
    return _table(["", *METHODS], [*lines, ["peak", *(_gb(row["peak"]) for row in chosen)]])


def _cohorts(rows: list[dict[str, Any]]) -> str:
    lines = []
    for members in MEMBERS:
        found = [_of(rows, size=size, members=members) for size in SHAPES]
        line = [f"{_gb(row['together'])} / {_gb(row['in_turn'])}" for row in found]
        lines.append([str(members), *line])
    return _table(["runs", *(f"{size}: together / in turn" for size in SHAPES)], lines)


def _below(rows: list[dict[str, Any]]) -> str:
    """What is to be known of the comparison; of the rows without remat, how far they differ."""
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
        took = peak_bytes(row["compiled"]) or 0
        ratio = f"{row['expected'] / took:.2f}"
        lines.append([str(row["members"]), str(row["devices"]), _gb(row["expected"]), _gb(took)])
        lines[-1].append(ratio)
    return _table(["runs", "devices", "formula", "XLA", "ratio"], lines)
