"""A row made up from the columns that templates name, to check that they can be rendered."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from jinja2 import Environment, TemplateSyntaxError, nodes

# Methods of texts; an attribute of another name is a key of a mapping.
TEXT_METHODS = tuple(name for name in dir(str) if not name.startswith("_") and name != "index")
LEAVES: tuple[Any, ...] = ("A", 0, "0", "A. A", 1, "1")  # values to try where nothing is said
_ENVIRONMENT = Environment()
_ITEM = "*"

Path = tuple[str, ...]


class _Shape:
    """What templates say about the columns: a value, or the kind of container at a path."""

    def __init__(self) -> None:
        self.values: dict[Path, Any] = {}
        self.lists: dict[Path, int] = {}
        self.paths: dict[Path, None] = {}

    def add(self, path: Path) -> None:
        for end in range(1, len(path) + 1):
            self.paths.setdefault(path[:end])

    def value(self, path: Path, leaf: Any) -> Any:
        """The value at a path, of the values that templates compare it with, or `leaf`."""
        keys = [p[-1] for p in self.paths if len(p) == len(path) + 1 and p[:-1] == path]
        if path in self.lists or _ITEM in keys:
            size = max(self.lists.get(path, 0), 2)
            first = self.value((*path, _ITEM), leaf)
            return [first] + [_other(first, number) for number in range(1, size)]
        if keys:
            return {key: self.value((*path, key), leaf) for key in keys}
        return self.values.get(path, leaf)


def synthetic_rows(
    templates: Sequence[str], columns: Sequence[str], listed: str | None = None
) -> Iterator[dict[str, Any]]:
    """Rows to try, one after the other.

    Args:
      templates: their columns are in the rows.
      columns: further columns.
      listed: the one of the templates that makes a list.
    """
    shape = _Shape()
    for template in templates:
        try:
            tree = _ENVIRONMENT.parse(template)
        except TemplateSyntaxError:
            continue  # reported where it is rendered
        _walk(tree, {}, shape)
        if template == listed:
            for output in tree.find_all(nodes.Output):
                path = _path(output.nodes[0], {})
                if path:
                    shape.add((*path, _ITEM))
    for name in columns:
        shape.add((name,))
    names = [path[0] for path in shape.paths if len(path) == 1]
    for leaf in LEAVES:
        yield {name: shape.value((name,), leaf) for name in names}


def _other(value: Any, number: int) -> Any:
    """Another value of the same kind."""
    if isinstance(value, str):
        return f"{value}{number}"
    if isinstance(value, dict):
        return {key: _other(inner, number) for key, inner in value.items()}
    return value


def _walk(node: nodes.Node, names: Mapping[str, Path], shape: _Shape) -> None:
    """Notes what a node says about paths; `names` are the paths of local names."""
    names = dict(names)
    if isinstance(node, nodes.For):
        path = _path(node.iter, names)
        if path is not None:
            shape.add((*path, _ITEM))
            if isinstance(node.target, nodes.Name):
                names[node.target.name] = (*path, _ITEM)
        elif isinstance(node.target, nodes.Name):
            names[node.target.name] = ()
    for child in node.iter_child_nodes():
        _walk(child, names, shape)
        if isinstance(child, nodes.Assign) and isinstance(child.target, nodes.Name):
            names[child.target.name] = _path(child.node, names) or ()
    path = _path(node, names)
    if path:
        shape.add(path)
    _note(node, names, shape)


def _note(node: nodes.Node, names: Mapping[str, Path], shape: _Shape) -> None:
    if isinstance(node, nodes.Compare):
        for operand in node.ops:
            _equal(_path(node.expr, names), operand.expr, shape)
            _equal(_path(operand.expr, names), node.expr, shape)
    elif isinstance(node, nodes.Getitem):
        inner, index = _path(node.node, names), _path(node.arg, names)
        if inner and (index or not isinstance(node.arg, nodes.Const)):
            shape.add((*inner, _ITEM))
        if inner and isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, int):
            shape.lists[inner] = max(shape.lists.get(inner, 0), node.arg.value + 1)
            shape.add((*inner, _ITEM))
        if index:
            shape.values.setdefault(index, _first_key(node.node))
    elif isinstance(node, nodes.Call) and isinstance(node.node, nodes.Getattr):
        if node.node.attr == "index" and node.args:
            sought = _path(node.args[0], names)
            listed = _path(node.node.node, names)
            if listed:
                shape.add((*listed, _ITEM))
            if sought and not listed:
                shape.values.setdefault(sought, _first_item(node.node.node))
    elif isinstance(node, nodes.Filter) and node.name == "map" and node.node is not None:
        path = _path(node.node, names)
        for keyword in node.kwargs:
            if path and keyword.key == "attribute" and isinstance(keyword.value, nodes.Const):
                shape.add((*path, _ITEM, keyword.value.value))
    elif isinstance(node, nodes.Sub | nodes.Add | nodes.Mul | nodes.Mod):
        for operand, other in ((node.left, node.right), (node.right, node.left)):
            path = _path(operand, names)
            if path and isinstance(other, nodes.Const):
                shape.values.setdefault(path, 1 if isinstance(other.value, int) else "A")


def _equal(path: Path | None, node: nodes.Node, shape: _Shape) -> None:
    if path and isinstance(node, nodes.Const):
        shape.values.setdefault(path, node.value)


def _first_key(node: nodes.Node) -> Any:
    """The first key of a constant mapping; 0 for anything else."""
    if isinstance(node, nodes.Dict) and node.items and isinstance(node.items[0].key, nodes.Const):
        return node.items[0].key.value
    return 0


def _first_item(node: nodes.Node) -> Any:
    """The first item of a constant list or text."""
    if isinstance(node, nodes.List) and node.items and isinstance(node.items[0], nodes.Const):
        return node.items[0].value
    if isinstance(node, nodes.Const) and isinstance(node.value, str):
        return node.value[:1]
    return "A"


def _path(node: nodes.Node, names: Mapping[str, Path]) -> Path | None:
    """The path of a column, or of a part of it; None for another expression."""
    if isinstance(node, nodes.Name):
        if node.name in names:
            return names[node.name] or None
        return (node.name,) if node.name not in _GLOBALS else None
    if isinstance(node, nodes.Getattr):
        inner = _path(node.node, names)
        if inner is None or node.attr in (*TEXT_METHODS, "index", "items", "keys", "values"):
            return None
        return (*inner, node.attr)
    if isinstance(node, nodes.Getitem):
        inner = _path(node.node, names)
        if inner is None:
            return None
        if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
            return (*inner, node.arg.value)
        return None if isinstance(node.arg, nodes.Slice) else (*inner, _ITEM)
    return None


_GLOBALS = ("range", "dict", "lipsum", "cycler", "joiner", "namespace", "loop")
