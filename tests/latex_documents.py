"""Compiles tables in LaTeX documents."""

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

# Options of the class, and of the page: a one-column article, and a two-column paper like ACL's,
# whose columns are 219 pt wide.
DOCUMENTS = {1: ("", "textwidth=345pt"), 2: ("twocolumn", "textwidth=455pt,columnsep=17pt")}
PROBLEM = re.compile(r"^(!.*|Overfull .*|.*Float too large.*|Missing character.*)", re.M)


def latex_problems(tables: Sequence[str], columns: int, folder: Path) -> list[str]:
    """Errors, overfull lines and floats that are too tall in a document of these tables.

    Skips the test where pdflatex or the package booktabs is not installed.

    Args:
        tables: the tables in LaTeX, each with what it says that it needs.
        columns: columns of the document: 1 or 2.
        folder: an empty folder to work in.
    """
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed")
    if not _has_package("booktabs.sty"):
        pytest.skip("pdflatex has no package booktabs (texlive-latex-recommended)")
    options, page = DOCUMENTS[columns]
    head = [
        rf"\documentclass[{options}]{{article}}",
        rf"\usepackage[{page},textheight=550pt]{{geometry}}",
        *sorted(set(re.findall(r"^% (\\usepackage\{.*\})", "\n".join(tables), re.M))),
        r"\begin{document}",
    ]
    document = "\n".join([*head, *(f"{table}\n\\clearpage" for table in tables), r"\end{document}"])
    (folder / "all.tex").write_text(document, encoding="utf-8")
    command = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    log = (folder / "all.log").read_text(errors="replace")
    assert done.returncode == 0, log[-2000:]
    return PROBLEM.findall(log)


def _has_package(name: str) -> bool:
    found = subprocess.run(["kpsewhich", name], capture_output=True, text=True)
    return found.returncode == 0
