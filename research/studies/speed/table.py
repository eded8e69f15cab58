"""Writes benchmark results as JSON and as a Markdown table."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from datetime import date
from importlib import metadata
from pathlib import Path
from typing import Any

import jax

COLUMNS = ("case", "ours", "other", "ratio", "target", "share", "compilation")
COLUMNS += ("ours, peak", "other, peak", "peak ratio")
PUBLISHED = "published"  # a column of tables with a case that has it
PUBLISHED_NOTE = (
    "Published numbers are speedups of many LoRA runs at once against existing systems, on other "
    "models and hardware: PLoRA (arXiv 2508.02932) and tLoRA (arXiv 2602.07263)."
)
GROWTH = """
Growth with the size of a decoder, LoRA of rank 8 on rows of 64 tokens:

![Step time, memory and compilation against layers, width and rows](growth.png)
"""
PACKAGES = ("jax", "jaxlib", "flax", "torch", "peft", "transformers")


def machine() -> dict[str, Any]:
    """Hardware and package versions of this machine."""
    device = jax.devices()[0]
    cpu = [line for line in _cpuinfo() if line.startswith("model name")]
    return {
        "device": device.device_kind,
        "backend": jax.default_backend(),
        "cpu": cpu[0].partition(":")[2].strip() if cpu else platform.processor(),
        "cores": len(cpu) or None,
        "python": platform.python_version(),
        "xla_flags": os.environ.get("XLA_FLAGS", ""),
        **{name: metadata.version(name) for name in PACKAGES},
        "date": date.today().isoformat(),
    }


def write_measurements(folder: Path, measured: Mapping[str, Any]) -> None:
    """benchmark.json and benchmark.md, which shows a figure of growth if the folder has one.

    measured: {machine, dtype, matmul_gflops, cases, notes}. notes: remarks that were written by
    hand into benchmark.json; they are kept.
    """
    folder.mkdir(parents=True, exist_ok=True)
    text = json.dumps(measured, indent=1) + "\n"
    (folder / "benchmark.json").write_text(text, encoding="utf-8")
    growth = GROWTH if (folder / "growth.png").is_file() else ""
    (folder / "benchmark.md").write_text(speed_markdown(measured) + growth, encoding="utf-8")


def speed_markdown(measured: Mapping[str, Any]) -> str:
    """One row per case; a ratio that reaches its target is bold.

    A case without another side has a target time in place of a target ratio.
    """
    where = measured["machine"]
    packages = ", ".join(f"{name} {where[name]}" for name in PACKAGES)
    flags = f"; XLA_FLAGS={where['xla_flags']}" if where["xla_flags"] else ""
    published = any(case.get(PUBLISHED) for case in measured["cases"])
    columns = [*COLUMNS, *([PUBLISHED] if published else [])]
    lines = [
        f"# Benchmark: {where['device']}, {where['cores']} cores",
        "",
        "Our code and PyTorch with PEFT use the same weights and rows. Each runs in its own "
        "process, and the two alternate. The ratio is the other side's time divided by ours: the "
        "median over rounds, with the lowest and the highest in parentheses. A peak is that of "
        "the process's memory, of the accelerator's where there is one; its ratio is ours divided "
        "by the other's. A bold number reaches its target. The share is our step's FLOP/s, by "
        "XLA's FLOP count, relative to "
        f"{measured['matmul_gflops']:.0f} GFLOP/s, the rate of a large matrix product on this "
        f"machine in {measured['dtype']}, the dtype of both sides.",
        "",
        "| " + " | ".join(columns) + " |",
        "| :--- |" + " ---: |" * (len(columns) - 1),
        *(_row(case, published) for case in measured["cases"]),
        "",
        *([PUBLISHED_NOTE, ""] if published else []),
        *_profiles(measured["cases"]),
        *(line for note in measured["notes"] for line in (note, "")),
        f"{where['cpu']}; Python {where['python']}, {packages}{flags}; {where['date']}.",
    ]
    return "\n".join(lines) + "\n"


def _row(case: Mapping[str, Any], published: bool) -> str:
    ours, ratio, goal = _milliseconds(case["ours_ms"]), "—", _or_dash(case["at_least"], "{:.1f}")
    if case["ratio"] is not None:
        reached = case["at_least"] is not None and case["ratio"] >= case["at_least"]
        ratio = _bold(f"{case['ratio']:.2f}", reached)
        ratio += f" ({case['low']:.2f} to {case['high']:.2f})"
    if case.get("at_most_ms") is not None:
        ours = _bold(ours, case["ours_ms"] <= case["at_most_ms"])
        goal = f"at most {_milliseconds(case['at_most_ms'])}"
    cells: Sequence[str] = (
        case["name"],
        ours,
        "—" if case["peft_ms"] is None else _milliseconds(case["peft_ms"]),
        ratio,
        goal,
        _share(case.get("share_of_matmul_rate")),
        _at_most(case.get("compile_seconds"), case.get("compile_at_most"), "{:.1f} s"),
        _or_dash(case.get("ours_bytes"), "{:.2f} GB", 1e-9),
        _or_dash(case.get("peft_bytes"), "{:.2f} GB", 1e-9),
        _at_most(_peak_ratio(case), case.get("memory_at_most"), "{:.2f}"),
        *([case.get(PUBLISHED) or "—"] if published else []),
    )
    return "| " + " | ".join(cells) + " |"


def _profiles(cases: Sequence[Mapping[str, Any]]) -> list[str]:
    """A table of time per kind of operation; [] if no case has a profile."""
    profiled = [case for case in cases if case.get("profile")]
    if not profiled:
        return []
    kinds = list(dict.fromkeys(kind for case in profiled for kind in case["profile"]))
    rows = [
        [case["name"], *(_or_dash(case["profile"].get(kind), "{:.0%}") for kind in kinds)]
        for case in profiled
    ]
    return [
        "Share of our time per kind of operation, summed over threads. Batched products are those "
        "of attention; element-wise operations are softmax, norms, activations, sums and the "
        "optimizer.",
        "",
        "| " + " | ".join(["case", *kinds]) + " |",
        "| :--- |" + " ---: |" * len(kinds),
        *("| " + " | ".join(row) + " |" for row in rows),
        "",
    ]


def _peak_ratio(case: Mapping[str, Any]) -> float | None:
    """Our peak memory divided by the other's."""
    return case["ours_bytes"] / case["peft_bytes"] if case.get("peft_bytes") else None


def _at_most(value: float | None, target: float | None, form: str) -> str:
    """A value with its target, bold if it is at most the target."""
    text = _or_dash(value, form)
    if value is None or target is None:
        return text
    return f"{_bold(text, value <= target)} (at most {form.format(target)})"


def _bold(text: str, wanted: bool) -> str:
    return f"**{text}**" if wanted else text


def _milliseconds(value: float) -> str:
    if value < 10:
        return f"{value:.2g} ms"
    return f"{value:.0f} ms" if value < 10_000 else f"{value / 1e3:.1f} s"


def _share(value: float | None) -> str:
    return _or_dash(value, "{:.0%}" if value is None or value >= 0.01 else "{:.2%}")


def _or_dash(value: float | None, form: str, times: float = 1.0) -> str:
    return "—" if value is None else form.format(value * times)


def _cpuinfo() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text(encoding="utf-8").splitlines() if file.is_file() else []
