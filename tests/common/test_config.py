import os
import pickle
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import pytest

from research.common.config import build, build_named, changed, non_default, resolved
from research.common.errors import InputError, check_whole, choose_from, exit_on_input_error


@dataclass(frozen=True)
class Inner:
    size: int = 3
    rate: float | None = None

    def __post_init__(self) -> None:
        if self.size < 0:
            raise InputError("size", self.size, "a number from 0 is expected")


@dataclass(frozen=True)
class Outer:
    name: str
    inner: Inner = Inner()
    kind: Literal["a", "b"] = "a"
    shots: int | Literal["fit"] = 0
    layers: tuple[str, ...] = ()
    either: tuple[Mapping[str, int], ...] | Literal["all"] = ()
    texts: Mapping[str, str] = field(default_factory=dict)
    flag: bool = False
    free: Any = None


def test_plain_data_becomes_dataclasses():
    values = {
        "name": "x",
        "inner": {"size": 4, "rate": 1},
        "shots": "fit",
        "layers": ["a", "b"],
        "either": [{"a": 1}],
        "texts": {"0": "no"},
    }
    made = build(Outer, values, "config")
    expected = Outer("x", Inner(4, 1.0), "a", "fit", ("a", "b"), ({"a": 1},), {"0": "no"})
    assert made == expected and isinstance(made.inner.rate, float)
    assert build(Outer, {"name": "x", "inner": Inner(5)}, "config").inner.size == 5
    assert build(Outer, {"name": "x", "either": "all"}, "config").either == "all"


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"nane": 1}, "config is 'nane': not a field here; did you mean 'name'? allowed are"),
        ({"inner": {"sise": 1}}, "config.inner is 'sise': not a field here; did you mean 'size'?"),
        ({"inner": 3}, "config.inner is 3: a mapping with the fields of Inner is expected"),
        ({"inner": {"size": "4"}}, "config.inner.size is '4': a value of type int is expected"),
        ({"inner": {"size": 4.0}}, "config.inner.size is 4.0: a value of type int is expected"),
        ({"inner": {"size": True}}, "config.inner.size is True: a value of type int is expected"),
        ({"inner": {"size": -1}}, "config.inner.size is -1: a number from 0 is expected"),
        ({"inner": {"rate": "x"}}, "config.inner.rate is 'x': a value of type float is expected"),
        ({"kind": "c"}, "config.kind is 'c': allowed are 'a', 'b'"),
        ({"shots": "all"}, "config.shots is 'all': expected is int or 'fit'"),
        ({"layers": "ab"}, "config.layers is 'ab': a sequence is expected"),
        ({"layers": ["a", 2]}, "config.layers[1] is 2: a value of type str is expected"),
        ({"either": 3}, "config.either is 3: expected is a sequence or 'all'"),
        ({"either": [{"a": "b"}]}, "config.either[0]['a'] is 'b': a value of type int"),
        ({"texts": ["no"]}, "config.texts is ['no']: a mapping is expected"),
        ({"name": "a\ud800"}, "config.name is 'a\\ud800': it has half of a surrogate pair"),
        ({"texts": {"\ud800": "no"}}, "config.texts is '\\ud800': it has half of a surrogate"),
        ({"inner": {"rate": 10**400}}, "config.inner.rate is 1000"),
        ({"flag": 1}, "config.flag is 1: a value of type bool is expected"),
    ],
)
def test_mistakes_name_field_value_and_what_is_allowed(change: dict, sentence: str):
    with pytest.raises(InputError) as error:
        build(Outer, {"name": "x"} | change, "config")
    assert str(error.value).startswith(sentence) and str(error.value).endswith(".")


def test_a_required_field_is_asked_for():
    with pytest.raises(InputError, match="config.name is None: the field is required"):
        build(Outer, {}, "config")
    with pytest.raises(InputError, match="a mapping with the fields of Outer"):
        build(Outer, [1], "config")  # pyright: ignore[reportArgumentType]


def test_a_class_is_chosen_by_name():
    assert build_named({"inner": Inner}, {"name": "inner", "size": 1}, "at", "name") == Inner(1)
    with pytest.raises(InputError, match="at.name is 'iner': did you mean 'inner'"):
        build_named({"inner": Inner}, {"name": "iner"}, "at", "name")
    for values in ({}, [], None):
        with pytest.raises(InputError, match="a mapping with the field 'name' is expected"):
            build_named({"inner": Inner}, values, "at", "name")  # pyright: ignore


def test_one_field_can_be_changed():
    assert changed(Inner(), "rate", 2, "at") == Inner(3, 2.0)
    with pytest.raises(InputError, match="at.size is -1: a number from 0"):
        changed(Inner(), "size", -1, "at")
    with pytest.raises(InputError, match="at.size is 'x': a value of type int"):
        changed(Inner(), "size", "x", "at")


def test_all_fields_or_those_off_their_default():
    outer = Outer("x", Inner(rate=0.5), texts={"0": "no"})
    assert non_default(outer) == {"name": "x", "inner": {"rate": 0.5}, "texts": {"0": "no"}}
    assert non_default(Inner()) == {} and non_default((Inner(1),)) == [{"size": 1}]
    whole = resolved(outer)
    assert whole["inner"] == {"size": 3, "rate": 0.5} and whole["layers"] == []
    assert whole.keys() == Outer.__dataclass_fields__.keys()
    assert build(Outer, whole, "config") == outer


def test_a_sentence_is_short_and_has_the_nearest_name():
    error = InputError("field", "x" * 500, "less is expected.")
    assert len(str(error)) < 260 and str(error).endswith("...: less is expected.")
    assert str(InputError("size", 3, "2").within("outer")) == "outer.size is 3: 2."
    sent = pickle.loads(pickle.dumps(InputError("size", 3, "2")))
    assert (str(sent), sent.value) == ("size is 3: 2.", 3)
    assert choose_from(["lora", "full"], "lroa") == "did you mean 'lora'? allowed are full, lora"
    assert choose_from([], "x") == "allowed are none"


def test_whole_numbers_have_bounds():
    check_whole("seeds", 1)
    with pytest.raises(InputError, match="seeds is 0: a whole number from 1 is expected"):
        check_whole("seeds", 0)
    with pytest.raises(InputError, match="seeds is 9: a whole number from 1 to 8 is expected"):
        check_whole("seeds", 9, most=8)


def test_scripts_end_with_one_line_and_code_2(capsys: pytest.CaptureFixture[str]):
    @exit_on_input_error
    def main(mistake: bool) -> int:
        if mistake:
            raise InputError("seeds", 0, "a whole number from 1 is expected")
        return 7

    assert main(False) == 7
    with pytest.raises(SystemExit) as end:
        main(True)
    assert end.value.code == 2
    shown = capsys.readouterr()
    assert shown.err == "error: seeds is 0: a whole number from 1 is expected.\n"
    assert shown.out == ""


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (PermissionError(13, "Permission denied", "a.csv"), "file is 'a.csv': Permission"),
        (OSError(28, "No space left"), "file is 'a file of this program': No space left.\n"),
        (MemoryError(), "memory is 'full': smaller batches"),
        (RuntimeError("RESOURCE_EXHAUSTED: Out of memory"), "memory is 'full': smaller batches"),
        (InputError("a\x1b[31m", 1, "no"), "a\\x1b[31m is 1: no.\n"),
    ],
)
def test_what_the_machine_refuses_is_one_line_too(
    error: Exception, said: str, capsys: pytest.CaptureFixture[str]
):
    @exit_on_input_error
    def main() -> None:
        raise error

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    shown = capsys.readouterr().err
    assert shown.startswith(f"error: {said}") and shown.count("\n") == 1


def test_a_mistake_of_ours_is_no_sentence():
    @exit_on_input_error
    def main() -> None:
        raise RuntimeError("a bug")

    with pytest.raises(RuntimeError, match="a bug"):
        main()


@pytest.mark.parametrize(
    ("body", "code"), [("while True: print(1)", 141), ("raise KeyboardInterrupt", 130)]
)
def test_a_reader_that_is_gone_and_a_user_who_stops(body: str, code: int):
    source = "from research.common.errors import *\n@exit_on_input_error\n"
    source += f"def main():\n    {body}\nmain()"
    running = subprocess.Popen(
        [sys.executable, "-c", source],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert running.stdout and running.stderr
    running.stdout.close()
    assert running.stderr.read() == b"" and running.wait() == code


def test_an_interrupt_that_an_extension_hides_ends_without_a_word(
    capsys: pytest.CaptureFixture[str],
):
    """As where Ctrl-C is pressed while numpy is imported."""

    @exit_on_input_error
    def main() -> None:
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as error:
            raise ImportError("error while initializing the extension") from error

    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert capsys.readouterr().err == ""
