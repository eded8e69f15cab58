"""Reading and checking the fields of a config.json."""

from collections.abc import Iterable, Mapping
from typing import Any

from research.common.errors import LARGEST, MOST, InputError

# The largest values of fields whose bound is not LARGEST for whole numbers and MOST for others.
BOUNDS = {
    **dict.fromkeys(("num_hidden_layers", "num_layers", "num_decoder_layers", "n_layer"), 1000),
    **dict.fromkeys(("max_position_embeddings", "original_max_position_embeddings"), MOST),
    **dict.fromkeys(("n_positions", "sliding_window"), MOST),
    "rope_theta": 10**15,
}


def config_values(
    config: Mapping[str, Any], names: Mapping[str, str], required: Iterable[str]
) -> dict[str, Any]:
    """The values of a config.json by our names; absent and null fields are left out.

    Args:
        config: the fields of a config.json.
        names: each of our names and the field's name in config.json.
        required: our names of sizes that must be there.

    Raises InputError for a required field that is absent or null, or no size.
    """
    values = {field: config[name] for field, name in names.items() if config.get(name) is not None}
    for field in required:
        if field not in values:
            raise InputError(names[field], None, "config.json must have it")
        check_field(names[field], values[field], int)
    return values


def check_field(name: str, value: Any, kind: Any) -> None:
    """Raises InputError unless `value` is of type `kind`: a bool, or an int or float above 0 and
    not above the bound of the field.

    The bounds are far above any model's, and such that shapes can be built of what passes.
    """
    if kind is bool:
        if not isinstance(value, bool):
            raise InputError(name, value, "true or false is expected")
        return
    most = BOUNDS.get(name, LARGEST if kind is int else MOST)
    if isinstance(value, bool) or not isinstance(value, int | kind) or not 0 < value <= most:
        what = "whole number" if kind is int else "number"
        large = isinstance(value, int | float) and value > most
        upper = f" and at most {most}" if large else ""
        raise InputError(name, value, f"a {what} above 0{upper} is expected")


def check_fixed(config: Mapping[str, Any], fixed: Mapping[str, tuple[Any, ...]]) -> None:
    """Raises InputError for a field of `config` whose value is not among those in `fixed`.

    A field that is absent passes.
    """
    for name, allowed in fixed.items():
        if name in config and config[name] not in allowed:
            raise InputError(name, config[name], f"only {allowed[0]!r} is supported")
