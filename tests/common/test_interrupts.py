"""Ctrl-C ends a script without a traceback, whatever it is importing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from research.common.errors import exit_on_input_error

ROOT = Path(__file__).parents[2]
SCRIPTS = sorted(file.stem for file in ROOT.glob("scripts/*.py"))
INTERRUPT = """
import os, runpy, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {module!r}:
            os.kill(os.getpid(), signal.SIGINT)

sys.meta_path.insert(0, Finder())
sys.argv = [{script!r}, *{arguments!r}]
runpy.run_path({script!r}, run_name="__main__")
"""


def interrupted(script: str, module: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A script that gets Ctrl-C when it imports `module`."""
    file = str(ROOT / "scripts" / f"{script}.py")
    code = INTERRUPT.format(module=module, script=file, arguments=arguments)
    command = [sys.executable, "-c", code]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize("script", SCRIPTS)
def test_while_the_script_is_loaded(script: str):
    done = interrupted(script, "research.common.errors")
    assert (done.returncode, done.stdout, done.stderr) == (-signal.SIGINT, "", "")


@pytest.mark.parametrize(
    "script, module, arguments",
    [
        ("sweep", "research.experiments.experiment", ["--config=configs/quickstart.py"]),
        ("verify", "jax", []),
    ],
)
def test_while_main_imports(script: str, module: str, arguments: list[str]):
    done = interrupted(script, module, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")


@pytest.mark.parametrize("raised", [KeyboardInterrupt, ImportError])
def test_a_package_that_turns_it_into_another_error(raised: type[BaseException], capsys):
    @exit_on_input_error
    def main() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise raised("multiarray failed to import") from None

    with pytest.raises(SystemExit) as exited:
        main()
    assert exited.value.code == 130 and capsys.readouterr().err == ""


def test_an_error_after_it_is_not_hidden():
    @exit_on_input_error
    def main() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            raise RuntimeError("the results cannot be stored") from None

    with pytest.raises(RuntimeError, match="cannot be stored"):
        main()


def test_what_ignores_it_still_does():
    code = (
        "import signal; signal.signal(signal.SIGINT, signal.SIG_IGN)\n"
        "from research.common.interrupts import end_on_interrupt, raise_on_interrupt\n"
        "end_on_interrupt(); raise_on_interrupt()\n"
        "print(signal.getsignal(signal.SIGINT) is signal.SIG_IGN)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout == "True\n"
