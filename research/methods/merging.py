"""Folding what methods added into the kernels that they change."""

from research.methods.method import Leaves, Method, added_to, backbone


def merged(methods: tuple[Method, ...], leaves: Leaves) -> Leaves:
    """Backbone leaves [..] with every mergeable method folded into the kernels it changes.

    A classification head stays as it is, beside the backbone. Raises ValueError for a method with
    added leaves and no `merge`.
    """
    result = dict(backbone(leaves))
    for method in methods:
        for path, leaf in added_to(method, leaves).items():
            if method.is_head:
                result |= {f"{method.name}:/{name}": array for name, array in leaf.items()}
                continue
            merge = getattr(method, "merge", None)
            if merge is None:
                raise ValueError(f"{method.name} cannot be merged into the backbone")
            result[f"{path}/kernel"] = merge(leaf, result[f"{path}/kernel"])
    return result
