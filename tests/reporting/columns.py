"""The cells of a table by row and column."""


def columns(layout):
    """{row: {column: text}}"""
    heads = [" ".join(head) for head in layout.heads]
    return {
        name: dict(zip(heads, [entry.text for entry in entries], strict=True))
        for name, entries in (*layout.rows, *layout.baselines)
    }
