"""Merges the leaves that methods added into the layers that they change."""

from research.common.errors import InputError
from research.methods.method import Leaves, Method
from research.methods.shared.leaves import added_to, added_to_layers, backbone, head_leaves

NOT_MERGEABLE = "what it adds stands beside the backbone and cannot be merged into it"


def merged(methods: tuple[Method, ...], leaves: Leaves) -> Leaves:
    """The backbone's leaves with the leaves of every method merged into the layers it changes.

    A classification head stays beside the backbone, unchanged. Raises InputError for a method
    whose leaves cannot be merged, or that needs a leaf which a layer does not have.
    """
    result = {**backbone(leaves), **head_leaves(leaves)}
    for method in methods:
        if method.is_head:
            continue
        layers = added_to_layers(method, leaves)
        if not layers and added_to(method, leaves):
            raise InputError("method", method.name, NOT_MERGEABLE)
        for path, leaf in layers.items():
            names = (f"{path}/kernel", f"{path}/bias")
            layer = {name.rpartition("/")[2]: result[name] for name in names if name in result}
            folded = method.merge(leaf, layer)
            if folded is None:
                raise InputError("method", method.name, NOT_MERGEABLE)
            if further := sorted(folded.keys() - layer.keys()):
                allowed = f"merged, it needs {further} in {path}, which the backbone does not have"
                raise InputError("method", method.name, allowed)
            result |= {f"{path}/{name}": array for name, array in folded.items()}
    return result
