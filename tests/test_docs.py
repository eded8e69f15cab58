"""The README and docs/: commands are valid, examples run, links resolve, numbers are current."""

import argparse
import importlib
import importlib.util
import re
import shlex
import shutil
import textwrap
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import pytest
from absl.testing import flagsaver
from flax.traverse_util import unflatten_dict

from research.common.flags import read_config, read_flags
from research.common.json_io import read_json
from research.experiments.experiment import Experiment
from research.experiments.presets import trained
from research.methods import METHODS
from research.models import MODELS
from research.models.backbone import load_backbone, model_of, save_backbone
from research.models.llama.model import Decoder
from research.records.store import RunStore
from research.tasks import TASKS
from research.tasks.lm_eval.source import LMEvalTask
from scripts import report, verify
from tests.films import run, settings, write_inputs

ROOT = Path(__file__).parents[1]
PAGES = {
    str(path.relative_to(ROOT)): path.read_text(encoding="utf-8")
    for path in [
        *(ROOT / f"{name}.md" for name in ("README", "CHANGELOG", "CONTRIBUTING")),
        *sorted((ROOT / "docs").glob("*.md")),
    ]
}
EXTENDING = PAGES["docs/extending.md"]
FOLDERS = "research|scripts|configs|tests|docs|results"
NEEDS_HUB = "# needs the hub"  # the comment line before a command that needs it
RETIRED = (
    r"meets? test|met test|told apart|as it came|keeps all bounds|holding up|at hand|"
    r"desks?|crews?|bench|ledgers?|bills?|lineage|surveys?|datasheets?|rivals|duels?|looks at test"
)


@dataclass(frozen=True)
class Command:
    """A command of a page.

    Attributes:
        page: the page's path.
        words: the command's arguments.
        needs_hub: whether the line before it says so.
    """

    page: str
    words: tuple[str, ...]
    needs_hub: bool = False

    def __str__(self) -> str:
        return f"{self.page}: {' '.join(self.words)[:80]}"


def blocks(text: str, language: str) -> list[str]:
    pattern = rf"^ *```{language}\n(.*?)^ *```$"
    return [textwrap.dedent(block) for block in re.findall(pattern, text, re.DOTALL | re.MULTILINE)]


def commands_of_pages() -> Iterator[Command]:
    for page, text in PAGES.items():
        for block in blocks(text, "bash"):
            previous = ""
            for line in block.replace("\\\n", " ").splitlines():
                words = tuple(shlex.split(line, comments=True))
                if words:
                    yield Command(page, words, previous == NEEDS_HUB)
                previous = line


def commands_of_docstrings() -> Iterator[Command]:
    for file in sorted([*ROOT.glob("configs/*.py"), *ROOT.glob("scripts/*.py")]):
        docstring = file.read_text(encoding="utf-8").split('"""')[1]
        for line in re.findall(r"^ *(python scripts/.*)$", docstring, re.MULTILINE):
            words = shlex.split(re.split(r" [<>] ", line)[0])
            yield Command(str(file.relative_to(ROOT)), tuple(words))


COMMANDS = [*commands_of_pages(), *commands_of_docstrings()]
# What runs on the committed results within seconds.
REPORTS = [
    command
    for command in COMMANDS
    if command.words[1:3] == ("scripts/report.py", "results/quickstart")
    and command.page.endswith(".md")
]


class Parsed(Exception):
    """The arguments of a script were parsed."""


def check_argparse(script: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch):
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(self: Any, args: Any = None, namespace: Any = None) -> None:
        parse(self, args, namespace)
        raise Parsed

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_and_stop)
    with pytest.raises(Parsed):
        importlib.import_module(f"scripts.{script}").main(list(arguments))


def parse_experiment(words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> Experiment:
    """The experiment of a command of a script that takes a config."""
    importlib.import_module(f"scripts.{Path(words[1]).stem}")  # defines its flags
    arguments = list(words[1:])
    monkeypatch.setattr("sys.argv", arguments)  # where ml_collections looks for changed fields
    monkeypatch.chdir(ROOT)
    with flagsaver.flagsaver():
        assert read_flags(arguments) == arguments[:1]
        return Experiment.parse(read_config())


def fetches(experiment: Experiment) -> bool:
    """Whether the backbone or the data of an experiment come from the hub."""
    shipped = {folder.name for folder in (resources.files("research") / "assets").iterdir()}
    name = experiment.backbone
    remote = name not in shipped and not name.startswith("$")
    named = [task for task in experiment.all_tasks if not isinstance(task, LMEvalTask)]
    return remote or any(getattr(task, "path", None) for task in named)


@pytest.mark.parametrize("command", COMMANDS, ids=str)
def test_every_command_is_valid(command: Command, monkeypatch: pytest.MonkeyPatch):
    program, *rest = command.words
    if program == "make":
        rules = (ROOT / "Makefile").read_text(encoding="utf-8")
        assert all(re.search(rf"^{target}:", rules, re.MULTILINE) for target in rest)
    elif program == "pip":
        extras = re.findall(r"\[(\w+)\]", " ".join(rest))
        optional = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
        assert set(extras) <= set(optional["optional-dependencies"])
    elif program == ".venv/bin/pre-commit":
        assert rest == ["install"] and (ROOT / ".pre-commit-config.yaml").is_file()
    elif rest[0] == "-m":
        assert importlib.util.find_spec(rest[1])
    else:
        assert program in (".venv/bin/python", "python") and (ROOT / rest[0]).is_file()
        check_script(command, Path(rest[0]).stem, tuple(rest[1:]), monkeypatch)


def check_script(
    command: Command, script: str, arguments: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    if script in ("sweep", "train", "agreement"):
        experiment = parse_experiment(command.words, monkeypatch)
        if command.page.endswith(".md"):
            needs_hub = fetches(experiment) and "--plan" not in arguments
            assert command.needs_hub == needs_hub
    elif script == "pretrain":  # required flags of absl
        source = (ROOT / f"scripts/{script}.py").read_text(encoding="utf-8")
        flags = [word.removeprefix("--") for word in arguments if word.startswith("--")]
        assert all(f'("{flag}",' in source for flag in flags)
    else:
        check_argparse(script, arguments, monkeypatch)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with `results/quickstart`, from the committed runs."""
    folder = tmp_path_factory.mktemp("docs")
    for source, name in (("quickstart_reference", "quickstart"), ("seeds", "seeds")):
        shutil.copytree(ROOT / "results" / source, folder / "results" / name)
    return folder


@pytest.mark.parametrize(
    "command",
    [pytest.param(c, marks=pytest.mark.thorough) if "--figures" in c.words else c for c in REPORTS],
    ids=str,
)
def test_reports_run(command: Command, results: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(results)
    assert report.main(list(command.words[2:])) == 0


def test_the_sweep_of_your_data(monkeypatch: pytest.MonkeyPatch):
    [command] = [c for c in COMMANDS if c.page == "README.md" and "--config.name=mine" in c.words]
    experiment = parse_experiment(command.words, monkeypatch)
    assert (experiment.name, experiment.backbone) == ("mine", "world-1m")
    assert experiment.regimes == ("16-shot", "200")
    assert experiment.tasks[0].train == "train.csv" and experiment.tasks[0].verbalizer is None


def test_flags_beside_the_config_are_documented(monkeypatch: pytest.MonkeyPatch):
    """They are valid for every experiment, also if its config leaves the field out."""
    values = {"keep_trained": True, "workers": 3, "held_out": "text.txt", "crossed_seeds": 5}
    values["tensorboard"] = True
    flags = [f"--{name}={value}" for name, value in values.items()]
    words = ("python", "scripts/sweep.py", "--config=configs/quickstart.py", *flags)
    experiment = parse_experiment(words, monkeypatch)
    assert {name: getattr(experiment, name) for name in values} == values
    assert all(any(f"--{name}" in text for text in PAGES.values()) for name in values)


@pytest.mark.parametrize(
    "block", blocks(PAGES["docs/approaches.md"], "python"), ids=lambda block: block[-40:]
)
def test_rows_of_the_docs(block: str, tmp_path: Path):
    scope: dict[str, Any] = {}
    exec(block, scope)
    config = settings(tmp_path) | {"approaches": scope["approaches"]}
    assert len(Experiment.parse(config).approaches) == len(scope["approaches"])


def test_rows_of_the_method_table_are_methods():
    rows = re.findall(r"`(dict\(name=.*?\))` \|", PAGES["docs/approaches.md"])
    methods = [eval(row) for row in rows]
    for values in methods:
        METHODS[values["name"]](**{name: v for name, v in values.items() if name != "name"})
    assert {values["name"] for values in methods} == METHODS.keys()


def test_default_rates_of_the_method_table():
    for line in PAGES["docs/approaches.md"].splitlines():
        if match := re.search(r'`dict\(name="(\w+)".*?` \| [^|]* \| ([^|]*) \|', line):
            rates = tuple(float(rate) for rate in match[2].split(","))
            assert METHODS[match[1]].learning_rates == rates, line


@pytest.mark.parametrize("page, names", [("docs/models.md", MODELS), ("docs/approaches.md", TASKS)])
def test_registered_names_are_documented(page: str, names: dict[str, Any]):
    assert [name for name in names if f"`{name}`" not in PAGES[page]] == []


@pytest.mark.parametrize("page", PAGES)
def test_links_resolve(page: str):
    for target in re.findall(r"\]\(([^)\s]+)\)", PAGES[page]):
        if not target.startswith("https://"):
            file, _, anchor = target.partition("#")
            path = (ROOT / page).parent / file if file else ROOT / page
            assert path.exists(), target
            if anchor:
                headings = re.findall(r"^#+ (.*)$", path.read_text(encoding="utf-8"), re.MULTILINE)
                assert anchor in [heading.lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES)
def test_files_in_the_text_exist(page: str):
    made_by_readers = ("results/quickstart/", "results/mine", "research/methods/words.py")
    for path in re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", PAGES[page]):
        placeholder = "NAME" in path or path.startswith(made_by_readers)
        assert placeholder or (ROOT / path).exists(), path


def test_the_readme_is_short():
    assert len(PAGES["README.md"].splitlines()) <= 150


def first_table(text: str) -> str:
    match = re.search(r"(?:^\|.*\n)+", text, re.MULTILINE)
    assert match
    return match[0]


def test_the_readme_shows_the_committed_table():
    reference = (ROOT / "results/quickstart_reference/table.md").read_text(encoding="utf-8")
    assert first_table(PAGES["README.md"]) == first_table(reference)


@pytest.mark.parametrize("machine", ["two-cores", "h200"])
def test_ratios_of_the_docs_are_the_measured_ones(machine: str):
    measured = (ROOT / f"results/benchmark/{machine}/benchmark.md").read_text(encoding="utf-8")
    ratios = set(re.findall(r"\| \**(\d+\.\d\d)\**(?: \()", measured))
    table = PAGES["docs/scale.md"].split("| case |")[1].split("\n\n")[0]
    column = {"two-cores": 2, "h200": 3}[machine]
    rows = [line.split("|") for line in table.splitlines()[2:]]
    numbers = [number for row in rows for number in re.findall(r"\d+\.\d\d", row[column])]
    assert len(numbers) >= 8 and set(numbers) <= ratios


def test_numbers_of_smollm2_in_the_readme_are_those_of_its_table():
    table = first_table((ROOT / "results/smollm2/table.md").read_text(encoding="utf-8"))
    cells = [line.strip("| ").split(" | ") for line in table.splitlines()]
    rows = {row[0]: row for row in cells}
    text = " ".join(PAGES["README.md"].split())
    for words, row in (("wording reaches", "zero-shot prompt"), ("tokens reaches", "soft prompt")):
        [score] = re.findall(rf"{words} (\d+\.\d)", text)
        assert score in rows[row][2]
    assert re.findall(r"a LoRA (\d+\.\d)", text)[0] in rows["LoRA"][2]


def test_numbers_of_smollm2_in_the_docs_are_the_measured_ones():
    folder = ROOT / "results/benchmark/two-cores-smollm2"
    text = (folder / "benchmark.md").read_text(encoding="utf-8")
    lines = text.split("Share of our time")[0].splitlines()  # without the table of operations
    measured = {line.split("|")[1].strip(): line for line in lines if line.startswith("| smollm2")}
    table = PAGES["docs/scale.md"].split("| case | times as fast as PEFT |")[1].split("\n\n")[0]
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()[2:]]
    assert len(rows) >= 7
    for case, *numbers in rows:
        found = re.findall(r"\d+\.\d+(?: s)?", measured[f"smollm2, {case}"])
        assert {number for number in numbers if number} <= set(found), case


@pytest.mark.parametrize(
    "page", [*PAGES, *(str(p.relative_to(ROOT)) for p in sorted(ROOT.glob("configs/*.py")))]
)
def test_retired_words_are_gone(page: str):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert re.findall(rf"\b(?:{RETIRED})\b", text, re.IGNORECASE) == []


def example(name: str) -> Any:
    """The class of this name in docs/extending.md, made by the block that defines it."""
    block = next(b for b in blocks(EXTENDING, "python") if f"class {name}" in b)
    scope: dict[str, Any] = {}
    exec(block, scope)
    return scope[name]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_inputs(tmp_path_factory.mktemp("inputs"))


def test_a_method_and_a_task(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(METHODS, "words", example("WordTable"))
    monkeypatch.setitem(TASKS, "larger", example("Larger"))
    row = re.search(r"`(trained\(.*?\))` is a row", EXTENDING)
    assert row
    config = settings(folder) | {"task": {"source": "larger"}, "seeds": 1, "search_seeds": 1}
    config["approaches"] = [eval(row[1], {"trained": trained})]
    records = RunStore(run(config, tmp_path)).all()
    words = [record for record in records if record.approach == "words"]
    rows = load_backbone(config["backbone"]).params["embed/embedding"].size
    assert len(words) == 3 and {record.costs.trained_params for record in words} == {rows}
    assert "larger 4-shot" in (tmp_path / "table.md").read_text()


@pytest.mark.parametrize("name", ["WordTable", "QueryScale"])
def test_example_methods_satisfy_the_contracts(
    name: str, folder: Path, monkeypatch: pytest.MonkeyPatch
):
    method = example(name)
    monkeypatch.setitem(METHODS, method.name, method)
    values = f'{{"name": "{method.name}"}}'
    assert verify.main(["--backbone", str(folder / "backbone"), "--method", values]) == 0


def test_a_model(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    scaled = example("ScaledLlama")
    monkeypatch.setitem(MODELS, "scaled_llama", scaled)
    plain = load_backbone(str(folder / "backbone"))
    file = folder / "backbone" / "config.json"
    content = file.read_text()
    file.write_text(content.replace('"llama"', '"scaled_llama", "embedding_multiplier": 12.0'))
    loaded = load_backbone(str(folder / "backbone"))
    file.write_text(content)
    assert isinstance(loaded.model, scaled) and isinstance(plain.model, Decoder)
    assert all(jnp.array_equal(loaded.params[path], leaf) for path, leaf in plain.params.items())
    tokens = jnp.array([[3, 5, 8]])
    once, twelvefold = (
        backbone.model.apply(
            {"params": unflatten_dict(backbone.params, sep="/")},
            tokens,
            method=backbone.model.embed,
        )
        for backbone in (plain, loaded)
    )
    assert jnp.allclose(twelvefold, 12 * once)
    save_backbone(tmp_path / "saved", loaded.model, loaded.params)
    assert model_of(read_json(tmp_path / "saved" / "config.json")) == loaded.model


@pytest.mark.thorough
def test_a_task_of_ten_lines_gets_a_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    [text] = blocks(PAGES["docs/tasks.md"], "yaml")
    assert len(text.splitlines()) == 10
    folder = write_inputs(tmp_path)
    (folder / "films.yaml").write_text(text)
    monkeypatch.chdir(folder)  # where relative data files start
    config = settings(folder) | {"task": {"source": "lm_eval", "path": "films.yaml"}}
    table = (run(config, folder / "results") / "table.md").read_text()
    assert all(name in table for name in ("films", "zero-shot", "few-shot", "LoRA"))
