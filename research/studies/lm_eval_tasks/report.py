"""What can be read of all task files of a folder, as the page results/lm_eval_tasks.md."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from research.common.errors import InputError
from research.studies.lm_eval_tasks.synthetic import synthetic_rows
from research.tasks.lm_eval.catalog.index import TaskEntry, TaskIndex
from research.tasks.lm_eval.catalog.package import TaskFolder
from research.tasks.lm_eval.config import TaskConfig, read_task_config
from research.tasks.lm_eval.document import DocumentReader, Row
from research.tasks.lm_eval.generation import generation
from research.tasks.lm_eval.prompt import answered_prompt, prompt_text
from research.tasks.lm_eval.template import Renderer
from research.tasks.lm_eval.yaml_file import YamlReader

PLAIN_NAME = re.compile(r"\w+")


class FileOutcome(NamedTuple):
    """What becomes of a task file.

    Attributes:
      kind: "read", "refused" or "error".
      reason: why it is not read.
    """

    kind: str
    reason: str = ""


@dataclass
class PackageReport:
    """The outcomes of all task files.

    Attributes:
      outcomes: by name of the task.
      entries: of the index, by name.
      errors: (path, reason) of files that are neither task nor group.
    """

    outcomes: dict[str, FileOutcome] = field(default_factory=dict)
    entries: Mapping[str, TaskEntry] = field(default_factory=dict)
    errors: tuple[tuple[str, str], ...] = ()


def report_tasks(folder: TaskFolder, index: TaskIndex) -> PackageReport:
    """Reads every task of a folder, and renders its templates with a made-up row."""
    reader = YamlReader()
    outcomes: dict[str, FileOutcome] = {}
    rendered: dict[str, FileOutcome] = {}
    with Renderer() as renderer:
        for name, entry in index.tasks.items():
            if entry.error:
                outcomes[name] = FileOutcome("error", entry.error)
            elif entry.refusals:
                outcomes[name] = FileOutcome("refused", entry.refusals[0])
            else:
                path = str(folder.path / entry.path)
                config = read_task_config(reader.read(path), entry.path)
                key = repr(_templates(config)) + config.output_type
                if key not in rendered:
                    rendered[key] = render_made_up(config, renderer)
                outcomes[name] = rendered[key]
    return PackageReport(outcomes, index.tasks, index.errors)


def _templates(config: TaskConfig) -> list[object]:
    """The values of a task that may be templates."""
    keys = ("doc_to_text", "doc_to_target", "doc_to_choice", "description", "gen_prefix")
    own = [getattr(config, key) for key in keys]
    return [*own, *(config.fewshot_config.get(key) for key in keys)]


def render_made_up(config: TaskConfig, renderer: Renderer) -> FileOutcome:
    """Renders a task's texts with made-up rows until one has values that its templates expect."""
    values = [value for value in _templates(config) if isinstance(value, str)]
    columns = tuple(value for value in values if PLAIN_NAME.fullmatch(value))
    templates = [value for value in values if value not in columns]
    reason = ""
    listed = config.doc_to_choice if isinstance(config.doc_to_choice, str) else None
    for row in synthetic_rows(templates, columns, listed):
        reader = DocumentReader(config, columns, renderer)
        try:
            _render(reader, _with_choices(config, columns, row))
        except InputError as error:
            if "each choice is a prompt" in str(error):
                return FileOutcome("refused", "doc_to_text: each choice is a prompt of its own")
            reason = str(error)
            continue
        return FileOutcome("read")
    return FileOutcome("error", reason)


def _with_choices(config: TaskConfig, columns: tuple[str, ...], row: Row) -> Row:
    """The row, with a list in the column of the choices."""
    if config.doc_to_choice in columns:
        return {**row, str(config.doc_to_choice): ["A", "B"]}
    return row


def _render(reader: DocumentReader, row: Row) -> None:
    """Every text of a row. Raises InputError where one cannot be made."""
    reader.description(row)
    if reader.config.output_type != "loglikelihood_rolling":
        prompt_text(reader, row)
    reader.target(row)
    if reader.config.output_type == "multiple_choice":
        reader.choices(row)
        answered_prompt(reader.of_demonstrations(), row)
    if reader.config.output_type == "generate_until":
        generation(reader.config)


def tasks_page(folder: TaskFolder, result: PackageReport) -> str:
    """The page in Markdown."""
    return "\n".join(_page(folder, result)) + "\n"


def _page(folder: TaskFolder, result: PackageReport) -> Iterator[str]:
    kinds = Counter(outcome.kind for outcome in result.outcomes.values())
    yield "# Task files of lm-evaluation-harness"
    yield ""
    yield (
        f"Version {folder.version} has {len(result.outcomes):,} tasks. {kinds['read']:,} are read, "
        f"{kinds['refused']:,} are refused by name, {kinds['error']:,} have errors. The templates "
        "of each task that is read were rendered with a made-up row. Tasks of the types "
        "multiple_choice and generate_until are run; without a training split, the setting "
        "`training_split` has to name another split to train on. "
        "`python scripts/tasks.py --report results/lm_eval_tasks.md` writes this page."
    )
    yield ""
    yield from _by_type(result)
    yield from _by_reason(result)
    yield from _by_family(result)
    yield from _errors(result)


def _by_type(result: PackageReport) -> Iterator[str]:
    yield "## Tasks that are read, by type"
    yield ""
    yield "| type | tasks | with a training split |"
    yield "|---|--:|--:|"
    read = [name for name, outcome in result.outcomes.items() if outcome.kind == "read"]
    types = Counter(result.entries[name].output_type for name in read)
    entries = [result.entries[name] for name in read]
    trained = Counter(entry.output_type for entry in entries if entry.splits[0])
    for output_type, count in types.most_common():
        yield f"| {output_type} | {count:,} | {trained[output_type]:,} |"
    yield ""


def _by_reason(result: PackageReport) -> Iterator[str]:
    yield "## Tasks that are refused, by their first reason"
    yield ""
    yield "| key: reason | tasks |"
    yield "|---|--:|"
    reasons = Counter(o.reason for o in result.outcomes.values() if o.kind == "refused")
    for reason, count in sorted(reasons.items(), key=lambda item: (-item[1], item[0])):
        yield f"| {reason} | {count:,} |"
    yield ""


def _by_family(result: PackageReport) -> Iterator[str]:
    yield "## Families"
    yield ""
    yield "A family is a folder of the package."
    yield ""
    yield "| family | read | refused | errors |"
    yield "|---|--:|--:|--:|"
    families: dict[str, Counter[str]] = defaultdict(Counter)
    for name, outcome in result.outcomes.items():
        families[result.entries[name].path.split("/")[0]][outcome.kind] += 1
    for family, counts in sorted(families.items()):
        yield f"| {family} | {counts['read']:,} | {counts['refused']:,} | {counts['error']:,} |"
    yield ""


def _errors(result: PackageReport) -> Iterator[str]:
    failed = [(n, o.reason) for n, o in result.outcomes.items() if o.kind == "error"]
    if not failed and not result.errors:
        return
    yield "## Errors"
    yield ""
    for name, reason in [*failed, *result.errors]:
        yield f"- `{name}`: {' '.join(reason.split())[:300]}"
