"""A table on the terminal, in as many blocks of columns as its width asks for."""

from collections.abc import Iterator

from rich import box
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from research.reporting.table import Table, TableCell

NAME_WIDTH = 34  # longer names of rows are folded
GAP = 2


def show(layout: Table, console: Console) -> None:
    """Prints the table, then its footnotes. Without styles, stars stand for bold."""
    console.print(Text(layout.title, style="bold"))
    for columns in _blocks(layout, console.width):
        console.print(_block(layout, columns, stars=not console.is_terminal))
    for note in layout.notes:
        console.print(Text(note, style="dim"))


def _block(layout: Table, columns: list[int], stars: bool) -> RichTable:
    table = RichTable(box=box.SIMPLE_HEAD, padding=(0, GAP // 2), pad_edge=False)
    table.add_column("approach", max_width=NAME_WIDTH, overflow="fold")
    for column in columns:
        head = Text("\n".join(layout.heads[column]), justify="right")
        table.add_column(head, justify="right", no_wrap=True)
    for rows in (layout.rows, layout.baselines):
        for name, entries in rows:
            table.add_row(Text(name), *(_text(entries[column], stars) for column in columns))
        table.add_section()
    return table


def _text(entry: TableCell, stars: bool) -> Text:
    if entry.best and stars:
        return Text(f"*{entry.text}*")
    return Text(entry.text, style="bold" if entry.best else "")


def _blocks(layout: Table, width: int) -> Iterator[list[int]]:
    """Columns that fit beside the names; the costs begin a block unless everything fits in one."""
    rows = (*layout.rows, *layout.baselines)
    names = min(max(len(name) for name, _ in rows), NAME_WIDTH)
    widths = [
        GAP
        + max(*map(len, head), *(len(entries[i].text) + 2 * entries[i].best for _, entries in rows))
        for i, head in enumerate(layout.heads)
    ]
    room = width - names - GAP
    if sum(widths) <= room:
        yield list(range(len(widths)))
        return
    block: list[int] = []
    for i, needed in enumerate(widths):
        if block and (i == layout.scores or sum(widths[k] for k in block) + needed > room):
            yield block
            block = []
        block.append(i)
    yield block
