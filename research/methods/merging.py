"""Folding what methods added into the kernels that they change."""

from research.errors import InputError
from research.methods.method import Leaves, Method, added_to, backbone


def merged(methods: tuple[Method, ...], leaves: Leaves) -> Leaves:
    """Backbone leaves [..] with every mergeable method folded into the kernels it changes.

    A classification head stays as it is, beside the backbone. Raises InputError for a method with
    added leaves and no `merge`.
    """
    head = {path: leaf for path, leaf in leaves.items() if path.startswith("head:")}
    result = {**backbone(leaves), **head}
    for method in methods:
        if method.is_head:
            continue
        for path, leaf in added_to(method, leaves).items():
            merge = getattr(method, "merge", None)
            if merge is None:
                allowed = "what it adds stands beside the backbone and cannot be merged into it"
                raise InputError("method", method.name, allowed)
            result[f"{path}/kernel"] = merge(leaf, result[f"{path}/kernel"])
    return result
