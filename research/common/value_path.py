"""The path of a value in nested plain data; it stays in parts and becomes text in errors only."""

from typing import Any

# A path is a text, or a path and the next part: `.name`, an index, or (key,) of a mapping.
Path = str | tuple[Any, Any]


def joined(path: Path) -> str:
    """The path as text, such as `config.rows[0].name`."""
    parts = []
    while not isinstance(path, str):
        path, part = path
        if isinstance(part, tuple):
            parts.append(f"[{part[0]!r}]")
        else:
            parts.append(f"[{part}]" if isinstance(part, int) else part)
    return path + "".join(reversed(parts))
