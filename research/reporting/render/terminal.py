"""A table on the terminal, in as many blocks of columns as its width requires."""

from rich import box
from rich.cells import cell_len
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from research.reporting.table import Table, TableCell

NAME_WIDTH = 34  # longer names of rows are folded
GAP = 2


def show(table: Table, console: Console) -> None:
    """Prints the table and its footnotes. Without styles, stars replace bold."""
    stars = not console.is_terminal
    names = [cell_len(name) for name, _ in (*table.rows, *table.baselines)]
    room = console.width - min(max(names, default=0), NAME_WIDTH) - GAP
    console.print(Text(table.title, style="bold"))
    # With room for two stars, whether or not they are printed.
    for columns in table.column_blocks(lambda text, best: cell_len(text) + 2 * best, GAP, room):
        console.print(_block(table.select(columns), stars))
    for note in table.notes:
        console.print(Text(note, style="dim"))


def _block(table: Table, stars: bool) -> RichTable:
    block = RichTable(box=box.SIMPLE_HEAD, padding=(0, GAP // 2), pad_edge=False)
    block.add_column("approach", max_width=NAME_WIDTH, overflow="fold")
    for head in table.heads:
        block.add_column(Text("\n".join(head), justify="right"), justify="right", no_wrap=True)
    for rows in (table.rows, table.baselines):
        for name, cells in rows:
            block.add_row(Text(name), *(_text(cell, stars) for cell in cells))
        block.add_section()
    return block


def _text(cell: TableCell, stars: bool) -> Text:
    if cell.best and stars:
        return Text(f"*{cell.text}*")
    return Text(cell.text, style="bold" if cell.best else "")
