import csv
import io
import re
import shutil
from dataclasses import replace

import pytest
from rich.console import Console

from research.common.printable import printable
from research.reporting.build import COLUMNS, build_tables, check_tables, write_tables
from research.reporting.grid.grid import read_grid
from research.reporting.render.latex import Layout, to_latex
from research.reporting.render.markdown import to_markdown
from research.reporting.render.terminal import show
from research.reporting.table import Table, TableCell
from research.reporting.tables.scores import score_table

NASTY = "[50%] a_b & $c$ #1 {x} \\ ~^ <i> | *b*\nnew"
LAYOUT = Table(
    title=NASTY,
    heads=((NASTY, "16-shot"), (NASTY, "500"), ("added", "tokens")),
    scores=2,
    rows=((NASTY, (TableCell("71.2 ± 3.1 †", best=True), TableCell("—"), TableCell("0–240"))),),
    baselines=(("majority class", (TableCell("50.0 ± 5.0"), TableCell("—"), TableCell("0"))),),
    notes=(NASTY,),
)


def printed(layout, width, **options):
    console = Console(file=io.StringIO(), width=width, **options)
    show(layout, console)
    return console.file.getvalue()  # pyright: ignore


def test_markdown_keeps_its_columns_and_escapes():
    lines = [line for line in to_markdown(LAYOUT).splitlines() if line.startswith("|")]
    columns = {len(re.findall(r"(?<!\\)\|", line)) for line in lines}
    assert columns == {5} and len(lines) == 5
    assert lines[2].startswith(r"| \[50%\] a\_b \& $c$ #1 {x} \\ ~^ \<i> \| \*b\* new |")
    assert "**71.2 ± 3.1 †** | — | 0–240" in lines[2]
    assert lines[3].startswith("| *without the model* |") and lines[4].startswith("| majority")


def test_latex_escapes_everything_and_keeps_its_columns():
    text = to_latex(LAYOUT, Layout("table", 2000))
    escaped = (
        r"{[}50\%] a\_b \& \$c\$ \#1 \{x\} \textbackslash{} \textasciitilde{}\textasciicircum{} "
        r"\textless{}i\textgreater{} \textbar{} {*}b{*} new"
    )
    assert text.count(escaped) == 4  # caption, head, name, note
    assert rf"{escaped} & \textbf{{71.2 $\pm$ 3.1 $\dagger$}} & --- & 0--240 \\" in text
    assert rf"\multicolumn{{2}}{{c}}{{{escaped}}}" in text
    assert r"\cmidrule(lr){2-3} \cmidrule(lr){4-4}" in text
    body = text.split(r"\toprule")[1].split(r"\bottomrule")[0].replace(r"\&", "")
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert [row.count("&") for row in rows] == [2, 3, 3, 3]
    assert text.isascii()


def test_latex_is_balanced(finished):
    text = to_latex(score_table(read_grid(finished)))
    bare = re.sub(r"\\[{}$\\]", "", text)
    assert bare.count("{") == bare.count("}") and bare.count("$") % 2 == 0
    for name, count in (("table*", 2), ("tabular", 2), ("minipage", 1)):
        assert text.count(rf"\begin{{{name}}}") == text.count(rf"\end{{{name}}}") == count


@pytest.mark.parametrize("columns, environment, room", [(1, "table", 219), (2, "table*", 345)])
def test_latex_fits_one_column_or_two(finished, columns, environment, room):
    """Every block, measured in the font itself: letters, column gaps and folded names."""
    letters = computer_modern()
    text = build_tables(finished, columns)[1]["table.tex"].decode()
    blocks = re.findall(r"\\begin{tabular}{@{}(?:l|p{(\d+)pt})(r+)@{}}\n(.*?)\\end", text, re.S)
    assert len(blocks) > 1 and text.count(rf"\begin{{{environment}}}") == len(blocks)
    for folded, rights, body in blocks:
        rows = [line[:-3].split(" & ") for line in body.splitlines() if line.endswith(r"\\")]
        rows = [row for row in rows if len(row) == 1 + len(rights)]
        widths = [max(letters(row[i]) for row in rows) for i in range(len(rights) + 1)]
        assert (float(folded) if folded else widths[0]) + sum(widths[1:]) + 6 * len(rights) <= room
    every_score = re.findall(r"\d\d\.\d {\[}\d\d\.\d, \d\d\.\d\]", text)
    assert len(every_score) == 24


def computer_modern():
    """Width in pt of a text at 7 pt, from the outlines of Computer Modern that matplotlib has."""
    import matplotlib
    from matplotlib.ft2font import FT2Font

    font = FT2Font(f"{matplotlib.get_data_path()}/fonts/ttf/cmr10.ttf")
    font.set_size(100, 72)

    def width(tex):
        plain = re.sub(r"\\(textbf|raggedright |multicolumn\{1\}\{c\})|[{}]", "", tex)
        plain = plain.replace(r"$\dagger$", "c").replace("\\", "")
        wide = sum(font.load_char(ord(letter)).linearHoriAdvance for letter in plain)
        scale = 1.15 if tex.startswith(r"\textbf{") else 1.0  # cmbx10 has wider letters
        return scale * wide / 65536 / 100 * 7 * 0.569 / 0.5  # as those of cmr7 are

    return width


def test_control_characters_are_printed_as_escapes():
    """A terminal would act on them, in any part of a table and of any other output."""
    name = "a\x1b[31m\u202eb\ud800"
    table = Table(name, ((name, name),), 1, ((name, (TableCell(name),)),), (), (name,))
    outputs = [printed(table, 200), to_markdown(table), to_latex(table)]
    for text in outputs:
        assert not set(text) & set("\x1b\u202e\ud800") and text.count("x1b") >= 5
    assert printable("é 中 \u00a0\n") == "é 中 \u00a0\n" and printable("\x9b1m") == r"\x9b1m"


@pytest.mark.parametrize("width", [60, 80, 100, 120])
def test_the_terminal_table_fits(finished, width):
    text = printed(score_table(read_grid(finished)), width)
    assert max(map(len, text.splitlines())) <= width
    for expected in (
        "LoRA",
        "TF-IDF + logistic regression",
        "tokens",
        "240–480",
        "89.6 [87.2, 91.5]",
    ):
        assert expected in text


def test_the_terminal_table_is_one_block_where_it_can_be(finished):
    layout = score_table(read_grid(finished))
    assert printed(layout, 200).count("approach") == 1
    heads = [line for line in printed(layout, 120).splitlines() if "trained" in line]
    assert printed(layout, 120).count("approach") == 2
    assert len(heads) == 1 and "topic" not in heads[0]  # the costs stand together
    narrow = replace(layout, notes=(), title="")
    assert printed(narrow, 60).count("16-shot") == 2


def test_the_terminal_shows_markup_as_text_and_the_best_as_bold():
    assert "*71.2 ± 3.1 †*" in printed(LAYOUT, 200)
    styled = printed(LAYOUT, 200, force_terminal=True, color_system="standard")
    assert re.search(r"\x1b\[1m *71.2 ± 3.1 †", styled) and "<i>" in styled


def test_the_csv_has_a_line_per_cell_and_metric(finished):
    grid = read_grid(finished)
    content = build_tables(finished)[1]["table.csv"].decode()
    lines = list(csv.DictReader(io.StringIO(content)))
    assert content.splitlines()[0] == (
        "approach,task,n_train,metric,score,ci_low,ci_high,seeds,trained_params,stored_bytes,"
        "train_seconds,run_ids"
    )
    assert len(lines) == 24 * 3 and tuple(lines[0]) == COLUMNS
    chosen = [line for line in lines if line["approach"] == "LoRA" and line["n_train"] == "500"]
    assert [(line["task"], line["metric"]) for line in chosen[:3]] == [
        ("sentiment", "accuracy"),
        ("sentiment", "macro_f1"),
        ("sentiment", "matthews"),
    ]
    cell = grid.cell("LoRA", ("sentiment", "500"))
    assert cell is not None
    score = cell.score("accuracy")
    assert chosen[0] | {"run_ids": ""} == {
        "approach": "LoRA",
        "task": "sentiment",
        "n_train": "500",
        "metric": "accuracy",
        "score": f"{score.score:.6f}",
        "ci_low": f"{score.low:.6f}",
        "ci_high": f"{score.high:.6f}",
        "seeds": "5",
        "trained_params": "12288",
        "stored_bytes": "49152",
        "train_seconds": "3.000",
        "run_ids": "",
    }
    ids = chosen[0]["run_ids"].split(" ")
    assert len(ids) == 5 and all((finished / "runs" / f"{id}.json").exists() for id in ids)


def test_the_same_runs_give_the_same_bytes(finished, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in reversed(sorted(finished.rglob("*.*"))):
        target = copy / path.relative_to(finished)
        target.parent.mkdir(exist_ok=True)
        shutil.copyfile(path, target)
    assert build_tables(copy)[1] == build_tables(finished)[1]


def test_check_names_the_files_that_differ(finished, tmp_path):
    folder = shutil.copytree(finished, tmp_path / "copy")
    assert check_tables(folder) == [
        *("table.md", "table.tex", "table.csv", "costs.md", "costs.tex"),
        *("criteria.md", "criteria.tex"),
        *("tuning.md", "tuning.tex", "data_efficiency.md", "data_efficiency.tex"),
        *("prompts.md", "prompts.tex", "page.html"),
    ]
    write_tables(folder)
    assert check_tables(folder) == []
    text = (folder / "table.md").read_text()
    (folder / "table.md").write_text(text.replace("85.8", "95.8"))
    page = (folder / "page.html").read_text()
    (folder / "page.html").write_text(page.replace("85.8", "95.8", 1))
    assert check_tables(folder) == ["table.md", "page.html"]
