import shutil

import pytest

from scripts.report import main


def test_report_writes_the_tables_and_check_reads_them(finished, tmp_path, capsys):
    folder = shutil.copytree(finished, tmp_path / "copy")
    results = ["--results", str(folder)]
    assert main([*results, "--check"]) == 1
    assert str(folder / "table.csv") in capsys.readouterr().err
    assert not (folder / "table.csv").exists()
    assert main(results) == 0
    assert "full fine-tuning" in capsys.readouterr().out
    assert main([*results, "--check"]) == 0
    (folder / "table.tex").unlink()
    assert main([*results, "--check"]) == 1
    assert capsys.readouterr().err.count("differs from") == 1


def test_a_mistake_is_a_sentence_and_exit_code_2(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["--results", str(tmp_path / "missing")])
    assert stop.value.code == 2
    error = capsys.readouterr().err
    assert error.startswith("error: ") and "missing" in error and error.count("\n") == 1
