"""Folding what methods added into the layers that they change."""

from research.common.errors import InputError
from research.methods.method import Leaves, Method, added_to, added_to_layers, backbone


def merged(methods: tuple[Method, ...], leaves: Leaves) -> Leaves:
    """Backbone leaves with every mergeable method folded into the layers it changes.

    A classification head stays as it is, beside the backbone. Raises InputError for a method with
    added leaves that have no place there, or that needs leaves which a layer does not have.
    """
    head = {path: leaf for path, leaf in leaves.items() if path.startswith("head:")}
    result = {**backbone(leaves), **head}
    for method in methods:
        if method.is_head:
            continue
        layers = added_to_layers(method, leaves)
        if not layers and added_to(method, leaves):
            allowed = "what it adds stands beside the backbone and cannot be merged into it"
            raise InputError("method", method.name, allowed)
        for path, leaf in layers.items():
            names = (f"{path}/kernel", f"{path}/bias")
            layer = {name.rpartition("/")[2]: result[name] for name in names if name in result}
            folded = method.merge(leaf, layer)
            if folded is None:
                allowed = "what it adds stands beside the backbone and cannot be merged into it"
                raise InputError("method", method.name, allowed)
            if further := sorted(folded.keys() - layer.keys()):
                allowed = f"merged, it needs {further} in {path}, which the backbone does not have"
                raise InputError("method", method.name, allowed)
            result |= {f"{path}/{name}": array for name, array in folded.items()}
    return result
