"""The prompt, the choices and the answer of a row, as a task file defines them."""

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from research.common.errors import InputError
from research.tasks.lm_eval.config import TaskConfig
from research.tasks.lm_eval.template import Renderer

MOST_OF_CHOICE = 20_000  # characters

Row = Mapping[str, Any]
OVERRIDES = (
    "doc_to_text",
    "doc_to_target",
    "doc_to_choice",
    "gen_prefix",
    "target_delimiter",
    "fewshot_delimiter",
)


@dataclass(frozen=True)
class DocumentReader:
    """Reads rows; every value is that of lm-evaluation-harness, or raises InputError.

    Attributes:
      config: of the task; a function that the user trusts is a callable.
      columns: of the split that is evaluated.
      renderer: renders its templates.
    """

    config: TaskConfig
    columns: tuple[str, ...]
    renderer: Renderer
    _names: dict[str, list[str]] = field(default_factory=dict, compare=False, repr=False)

    def of_demonstrations(self) -> "DocumentReader":
        """The reader of demonstrations, with the settings of `fewshot_config`."""
        options = self.config.fewshot_config
        changed = {key: options[key] for key in OVERRIDES if options.get(key) is not None}
        return replace(self, config=replace(self.config, **changed))

    def description(self, row: Row) -> str:
        """The text before the demonstrations."""
        return self._text("description", self.config.description, row) or ""

    def prefix(self, row: Row) -> str | None:
        """The text with which the answer begins, as part of the prompt."""
        return self._text("gen_prefix", self.config.gen_prefix, row)

    def question(self, row: Row) -> str | int:
        """The prompt; an index where each choice is a prompt of its own."""
        value = self.config.doc_to_text
        if value is None:
            raise InputError("doc_to_text", None, "the task file needs it")
        if isinstance(value, int):
            return value
        text = self._text("doc_to_text", value, row)
        if not isinstance(text, str | int):
            raise InputError("doc_to_text", text, "a text is expected as the prompt")
        is_column = isinstance(value, str) and value in self.columns
        return text if is_column or isinstance(text, int) else self._index(text)

    def target(self, row: Row) -> Any:
        """The answer: an index or a text, or a list of several."""
        value = self.config.doc_to_target
        if value is None:
            raise InputError("doc_to_target", None, "the task file needs it")
        if isinstance(value, int | list):
            return value
        text = self._text("doc_to_target", value, row)
        if not isinstance(text, str) or not isinstance(value, str) or value in self.columns:
            return text
        index = self._index(text)
        if isinstance(index, int) or not (len(text) > 1 and text[0] == "[" and text[-1] == "]"):
            return index
        return _literal_or_text(text)

    def choices(self, row: Row) -> tuple[str, ...]:
        """The choices. Raises InputError for a value that is no list of texts."""
        value = self.config.doc_to_choice
        if isinstance(value, dict):
            value = list(value.values())
        elif isinstance(value, str) and value not in self.columns:
            value = self._literal("doc_to_choice", value, row)
        elif not isinstance(value, list):
            value = self._text("doc_to_choice", value, row)
        if not isinstance(value, list | tuple) or not all(isinstance(c, str) for c in value):
            raise InputError("doc_to_choice", value, "a list of texts is expected")
        for choice in value:
            if len(choice) > MOST_OF_CHOICE:
                allowed = f"a choice has at most {MOST_OF_CHOICE:,} characters"
                raise InputError("doc_to_choice", choice, allowed)
        return tuple(value)

    def names(self, key: str, template: str) -> list[str]:
        """The columns that the template of a key names."""
        if template not in self._names:
            self._names[template] = self.renderer.names(template, key)
        return self._names[template]

    def _used(self, key: str, template: str, row: Row) -> Row:
        """The columns of a row that the template of a key names."""
        return {name: row[name] for name in self.names(key, template) if name in row}

    def _text(self, key: str, value: Any, row: Row) -> Any:
        """The value of a column, of a template, or of a function."""
        if isinstance(value, str):
            if value in self.columns:
                return row[value]
            return self.renderer.text(value, self._used(key, value, row), key) if value else value
        return _called(key, value, row) if callable(value) else value

    def _literal(self, key: str, template: str, row: Row) -> Any:
        """The value of a template whose text is a literal of Python."""
        return self.renderer.literal(template, self._used(key, template, row), key)

    def _index(self, text: str) -> str | int:
        """The number in a text of digits, where there are choices."""
        if text.isdigit() and self.config.doc_to_choice is not None:
            try:
                return int(text)
            except ValueError:
                return text
        return text


def _called(key: str, function: Callable[[Row], Any], row: Row) -> Any:
    try:
        return function(row)
    except Exception as error:
        name = getattr(function, "__name__", "the function")
        raise InputError(key, name, f"it fails with {type(error).__name__}: {error}") from error


def _literal_or_text(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError, MemoryError, RecursionError):
        return text


def answer_index(target: Any, choices: Sequence[str]) -> int:
    """The index of the right choice. Raises InputError where there is none, and for several."""
    if isinstance(target, list):
        if len(target) != 1:
            allowed = "several answers are right, and one is expected"
            raise InputError("doc_to_target", target, allowed)
        return answer_index(target[0], choices)
    if isinstance(target, str):
        if target in choices:
            return choices.index(target)
        raise InputError("doc_to_target", target, f"it is none of the choices {list(choices)}")
    if not isinstance(target, int) or not 0 <= target < len(choices):
        allowed = f"an index from 0 to {len(choices) - 1} is expected"
        raise InputError("doc_to_target", target, allowed)
    return int(target)
