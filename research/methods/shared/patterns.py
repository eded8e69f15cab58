"""Regular expressions that pick leaves and layers."""

from collections.abc import Iterable, Sequence

from research.common.errors import InputError
from research.common.user_regex import regex_matches
from research.models.checkpoint.weights import Array, Leaves

# Layers that make queries, keys and values together; the second has those of a head side by side.
FUSED = ("qkv", "qkv_by_head")


def pattern_matches(pattern: str, path: str, field: str = "pattern") -> bool:
    """Whether a pattern matches the whole path, or its end after a slash.

    So `query` picks the query of every layer, `layers_[01]/.*` all of the first two layers of
    every stack. Raises InputError, on `field`, for an invalid regular expression, and for one that
    takes too long.
    """
    return regex_matches(pattern, path, field) or regex_matches(f".*/(?:{pattern})", path, field)


def picked(patterns: Sequence[str], paths: Iterable[str], field: str) -> list[str]:
    """The paths that at least one pattern picks.

    Raises InputError for an empty list of patterns, and for a pattern that picks no path.
    """
    paths = list(paths)
    if not patterns:
        raise InputError(field, patterns, "at least one pattern is expected")
    for pattern in patterns:
        if not any(pattern_matches(pattern, path, field) for path in paths):
            names = sorted({path.rpartition("/")[2] for path in paths})
            raise InputError(field, pattern, f"it fits nothing; names there are {names}")
    return [
        path for path in paths if any(pattern_matches(pattern, path, field) for pattern in patterns)
    ]


def kernels_by_layer(params: Leaves) -> dict[str, Array]:
    """The kernel [D_in, D_out] of every layer that has one, by the layer's path."""
    suffix = "/kernel"
    return {
        path.removesuffix(suffix): leaf for path, leaf in params.items() if path.endswith(suffix)
    }


def target_layers(targets: Sequence[str] | None, layers: Iterable[str], field: str) -> list[str]:
    """The layers that the patterns `targets` pick.

    None stands for query and value, or for the one layer `qkv` or `qkv_by_head` that a backbone has
    in their place.
    """
    layers = list(layers)
    if targets is None:
        fused = [name for name in FUSED if any(pattern_matches(name, layer) for layer in layers)]
        targets = tuple(fused) or ("query", "value")
    return picked(targets, layers, field)
