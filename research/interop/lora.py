"""LoRA and DoRA in the format of PEFT: factors by the names of the adapted modules."""

import math
from collections.abc import Collection, Mapping
from functools import partial
from typing import Any

import numpy as np

from research.common.errors import InputError
from research.interop.options import Config, numeric_option
from research.interop.targets import PREFIX, beside, endings, modules, of_pattern
from research.methods.dora import DoRA
from research.methods.lora import LoRA
from research.methods.method import Leaves
from research.methods.shared.leaves import added_to
from research.models.checkpoint.config_fields import check_field
from research.models.checkpoint.weights import Shapes
from research.models.model import Model

Arrays = Mapping[str, np.ndarray]


def wanted(
    config: Config, stored: Collection[str], model: Model, shapes: Shapes
) -> dict[str, tuple[int, ...]]:
    """The names and shapes that the tensors must have.

    Raises InputError for invalid options, and for options that pick no layer.
    """
    names = partial(_names, dora=config.get("use_dora"))
    expected: dict[str, tuple[int, ...]] = {}
    for module, path in beside(config, stored, model, shapes, names):
        rank = of_pattern(config, "rank_pattern", "r", module)
        check_field("rank", rank, int)
        width_in, width_out = shapes[f"{path}/kernel"]
        sizes = ((rank, width_in), (width_out, rank), (width_out,))
        expected |= zip(names(module), sizes, strict=False)  # plain LoRA has no magnitudes
    return expected


def read(config: Config, arrays: Arrays, model: Model, shapes: Shapes) -> tuple[LoRA, Leaves]:
    """The method and its leaves, of tensors as `wanted` has them.

    A scale of their own that layers have, by `alpha_pattern` or rank-stabilised (Kalajdzievski
    2023, arXiv 2312.03732), is multiplied into B.
    """
    leaves: Leaves = {}
    targets = set()
    alpha = numeric_option(config, "lora_alpha", float)
    kind = DoRA if config.get("use_dora") else LoRA
    for module, path in modules(model, shapes, arrays):
        first, second, *magnitude = _names(module, config.get("use_dora"))
        if first in arrays:
            a, b = arrays[first].T, arrays[second].T
            ratio = of_pattern(config, "alpha_pattern", "lora_alpha", module) / alpha
            ratio *= math.sqrt(len(b)) if config.get("use_rslora") else 1.0
            at = f"{kind.name}:{path}"
            leaves |= {f"{at}/a": a, f"{at}/b": b * np.float32(ratio)}
            leaves |= {f"{at}/magnitude": arrays[name] for name in magnitude}
            targets.add(path.rpartition("/")[2])
    dropout = _dropout(config.get("lora_dropout"))
    return kind(numeric_option(config, "r"), float(alpha), dropout, tuple(sorted(targets))), leaves


def write(method: LoRA, leaves: Leaves, model: Model) -> tuple[dict[str, Any], Arrays]:
    """(fields of adapter_config.json, tensors)."""
    keys = {path: model.KEY_MAP.key(f"{path}/kernel") for path in added_to(method, leaves)}
    arrays, ranks, dora = {}, {}, isinstance(method, DoRA)
    for path, key in keys.items():
        factors = _whole_factors(added_to(method, leaves)[path])
        tensors = [factors["a"].T, factors["b"].T]
        if dora:
            tensors.append(factors["magnitude"])
        arrays |= zip(_names(key.module, dora), tensors, strict=True)
        ranks[key.module] = factors["a"].shape[1]
    double = 2 if method.start == "pissa" else 1
    rank = double * method.rank
    fields = {
        "r": rank,
        "lora_alpha": float(method.alpha) * (math.sqrt(double) if method.stabilised else double),
        "lora_dropout": float(method.dropout or 0.0),
        "target_modules": endings(set(ranks), model),
        "use_rslora": method.stabilised,
        "use_dora": dora,
        "rank_pattern": {name: rank_of for name, rank_of in ranks.items() if rank_of != rank},
        "fan_in_fan_out": not all(key.transposed for key in keys.values()),
        "bias": "none",
    }
    return fields, arrays


def _dropout(rate: Any) -> float | None:
    if rate is None or rate == 0:
        return None
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < 1:
        raise InputError("lora_dropout", rate, "a share from 0 to below 1 is expected")
    return float(rate)


def _whole_factors(factors: Leaves) -> Leaves:
    """Factors of the whole update: with the start that is subtracted, A B - A_0 B_0, of twice the
    rank, as PEFT converts PiSSA for the unchanged backbone.
    """
    if "start_a" not in factors:
        return factors
    a = np.concatenate([factors["a"], factors["start_a"]], axis=1)
    b = np.concatenate([factors["b"], -np.asarray(factors["start_b"])], axis=0)
    return {**factors, "a": a, "b": b}


def _names(module: str, dora: bool | None) -> list[str]:
    """What the factors A [R, D_in] and B [D_out, R] beside a module are called, and with DoRA its
    magnitudes [D_out].
    """
    names = ["lora_A.weight", "lora_B.weight", *(["lora_magnitude_vector"] if dora else [])]
    return [f"{PREFIX}{module}.{name}" for name in names]
