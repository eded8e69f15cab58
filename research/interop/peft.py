"""Adapters in the format of Hugging Face PEFT: LoRA, DoRA, IA3, soft prompts, prefixes.

Each kind is a file here with
    PREFIX, the start of the names of a classification head's tensors
    wanted(config, stored, model, shapes) -> {name: expected shape} of the tensors
    read(config, arrays, model, shapes) -> (method, its leaves)
    write(method, leaves, model) -> (fields of adapter_config.json, tensors)
where shapes are those of the backbone's leaves.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from safetensors.numpy import save_file

from research.common.errors import InputError
from research.common.files import whole_folder
from research.common.json_io import read_json, write_json
from research.interop import head, ia3, lora, prefix, soft_prompt, targets
from research.interop.options import TASKS, check_options
from research.interop.whole_leaves import (
    changed_leaves,
    expected_shapes,
    tied_again,
    whole_leaves,
    with_output_layer,
    without_repeated,
)
from research.methods import METHODS
from research.methods.head import Head
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import backbone
from research.methods.shared.prompt_file import CONFIG, WEIGHTS
from research.models.checkpoint.tensors import NotFinite, Tensor, tensors
from research.models.checkpoint.weights import NOT_FINITE, Problem, misfits, problem_summary
from research.models.model import Model

# The modules that read and write adapters, by PEFT's `peft_type`; see `Method.peft_type`.
KINDS: dict[str, Any] = {
    "IA3": ia3,
    "LORA": lora,
    "P_TUNING": soft_prompt,  # its finished embeddings are stored
    "PREFIX_TUNING": prefix,
    "PROMPT_TUNING": soft_prompt,
}


def load_adapter(
    folder: str | Path, model: Model, params: Leaves, name: str = ""
) -> tuple[tuple[Method, ...], Leaves]:
    """(methods, the float32 leaves that they add to `params`) of a folder as PEFT writes it.

    Leaves of the backbone that trained as a whole, by `bias` or `modules_to_save`, are among them.
    So is the output layer of a backbone that ties it to its table of token embeddings, if the
    adapter changes one of them alone, as PEFT does without `ensure_weight_tying`.

    Args:
        folder: of the adapter.
        model: the backbone.
        params: its leaves.
        name: of the backbone, for messages.

    Raises InputError for files that cannot be read, an option that is not supported, and one
    InputError for all tensors that are missing, surplus or of another shape than the backbone asks
    for.
    """
    folder = Path(folder)
    for file in (CONFIG, WEIGHTS):
        if not (folder / file).is_file():
            raise InputError("adapter", str(folder), f"it has no {file}, and no other is read")
    config = read_json(folder / CONFIG)
    stored = without_repeated(tensors([folder / WEIGHTS]))
    check_options(config, model.ROUTE)
    kind = KINDS[config["peft_type"]]
    plain = with_output_layer(model, backbone(params))
    try:
        classes = head.classes(config, stored, model, kind.PREFIX)
        if classes:  # in place of a masked-LM head
            plain = {path: leaf for path, leaf in plain.items() if not path.startswith("head/")}
        shapes = {path: leaf.shape for path, leaf in plain.items()}
        wanted = kind.wanted(config, stored, model, shapes)
        whole = whole_leaves(config, stored, model, shapes)
        wanted |= head.wanted(model, classes, kind.PREFIX) | expected_shapes(whole, shapes)
        _check(folder, stored, wanted)
    except InputError as error:
        origin = config.get("base_model_name_or_path")
        allowed = f"{error.allowed}; the adapter is for {origin!r}, the backbone is {name!r}"
        raise InputError(error.field, error.value, allowed) from error
    arrays = _arrays(folder, stored)
    method, leaves = kind.read(config, arrays, model, shapes)
    methods: tuple[Method, ...] = (method, Head()) if classes else (method,)
    leaves |= head.read(arrays, model, classes, kind.PREFIX)
    leaves |= changed_leaves(config, arrays, whole, model, plain)
    leaves = tied_again(model, leaves, params)
    return methods, {path: jnp.asarray(leaf, jnp.float32) for path, leaf in leaves.items()}


def save_adapter(
    folder: str | Path,
    backbone_name: str,
    model: Model,
    methods: Sequence[Method],
    leaves: Mapping[str, Any],
) -> None:
    """Writes a folder that `load_adapter` and PEFT can load, in float32; atomic.

    Leaves of the backbone are ignored. Raises InputError if the folder exists and is not empty,
    and for methods that PEFT cannot express together.
    """
    method, head_method = _expressed(methods)
    peft_type = str(method.peft_type)
    kind = KINDS[peft_type]
    added: Leaves = {
        path: np.asarray(leaf, np.float32) for path, leaf in leaves.items() if ":" in path
    }
    fields, arrays = kind.write(method, added, model)
    if head_method is not None:
        arrays = {**arrays, **head.write(head_method, added, model, kind.PREFIX)}
        fields = {**fields, "modules_to_save": [head.MODULE], "task_type": "SEQ_CLS"}
    elif kind.PREFIX == targets.PREFIX and model.ROUTE == "masked":
        fields, arrays = _of_class(model, fields, arrays)
    else:
        fields = {**fields, "task_type": TASKS[model.ROUTE][0]}
    origin = {"peft_type": peft_type, "base_model_name_or_path": backbone_name}
    config = {**origin, "inference_mode": True, **fields}
    with whole_folder(folder) as work:
        write_json(work / CONFIG, config)
        whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
        save_file(whole, work / WEIGHTS, metadata={"format": "pt"})


def _of_class(
    model: Model, fields: Mapping[str, Any], arrays: Mapping[str, np.ndarray]
) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """`fields` and `arrays` of layers of an encoder that has no classification head.

    PEFT has no task for a masked-LM: `FEATURE_EXTRACTION` loads the bare model, whose layers have
    shorter names, so that the adapter would do nothing. The class is named instead, for
    `AutoPeftModel`.
    """
    written = model.to_hf()
    [name], kind = written["architectures"], written["model_type"]
    library = f"transformers.models.{kind}.modeling_{kind}"
    mapping = {"base_model_class": name, "parent_library": library}
    fields = {**fields, "task_type": None, "auto_mapping": mapping}
    if not name.endswith("Model"):
        return fields, {**arrays}
    base = model.KEY_MAP.base
    bare = {key.replace(targets.PREFIX + base, targets.PREFIX): x for key, x in arrays.items()}
    for field in ("target_modules", "feedforward_modules"):
        if field in fields:
            fields[field] = [name.removeprefix(base) for name in fields[field]]
    if ranks := fields.get("rank_pattern"):
        fields["rank_pattern"] = {name.removeprefix(base): rank for name, rank in ranks.items()}
    return fields, bare


def _expressed(methods: Sequence[Method]) -> tuple[Method, Method | None]:
    """(the method that PEFT has a name for, the head beside it, if any)."""
    heads = [method for method in methods if method.is_head]
    others = [method for method in methods if not method.is_head]
    if len(others) == 1 and others[0].peft_type in KINDS:
        return others[0], heads[0] if heads else None
    names = ", ".join(sorted(name for name, kind in METHODS.items() if kind.peft_type))
    allowed = (
        f"PEFT has {names}, with or without a head: merge what was added into the "
        "backbone, or save what trained of the backbone as a whole model"
    )
    raise InputError("methods", [method.name for method in methods], allowed)


def _check(folder: Path, stored: Mapping[str, Tensor], wanted: Mapping[str, tuple]) -> None:
    """Raises one InputError for all tensors that do not fit."""
    problems: list[Problem] = [("missing", name) for name in wanted if name not in stored]
    problems += [("surplus", name) for name in stored if name not in wanted]
    both = stored.keys() & wanted.keys()
    problems += [p for name in sorted(both) for p in misfits(stored[name], wanted[name])]
    if problems:
        raise InputError("adapter", str(folder), problem_summary(problems))


def _arrays(folder: Path, stored: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
    """The tensors as float32. Raises one InputError for all that have numbers not finite."""
    arrays: dict[str, np.ndarray] = {}
    problems: list[Problem] = []
    for name, tensor in stored.items():
        try:
            arrays[name] = tensor.read((slice(None),) * len(tensor.shape), np.float32)
        except NotFinite:
            problems.append((NOT_FINITE, name))
    if problems:
        raise InputError("adapter", str(folder), problem_summary(problems))
    return arrays
