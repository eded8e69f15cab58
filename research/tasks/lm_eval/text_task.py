"""A generation task whose outputs are cut, filtered and scored as lm-evaluation-harness does."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Any

from research.common.errors import InputError
from research.tasks.lm_eval.config import FilterPipeline
from research.tasks.lm_eval.filters import filtered
from research.tasks.lm_eval.metrics import exact_match
from research.tasks.metrics.text import TextMetric
from research.tasks.text_task import TextTask
from research.tasks.texts import ScoredTexts

FIRST = FilterPipeline("none", (("take_first", {}),))


@dataclass(frozen=True)
class FilteredTextTask(TextTask):
    """A generation task of a task file.

    An output is cut before each of `until`, then the pipeline makes the answer of it; white space
    around it counts. The samples of an item go through the pipeline together, so that
    `majority_vote` may choose among them. References are scored as they are.

    Attributes:
      until: texts before which an output ends.
      pipeline: filters of outputs.
      ignored: options of `exact_match`.
    """

    until: tuple[str, ...] = ()
    pipeline: FilterPipeline = FIRST
    ignored: Mapping[str, Any] = field(default_factory=dict)

    @property
    def verbatim(self) -> bool:
        """True: the white space around an output counts."""
        return True

    @cached_property
    def item_metrics(self) -> dict[str, TextMetric]:
        """As of any generation task, with the harness's `exact_match`."""
        return {**super().item_metrics, "exact_match": partial(self._exact_match)}

    def _exact_match(self, output: str, references: Sequence[str]) -> float:
        return exact_match(output, references, self.ignored)

    def judged_votes(
        self, samples: Sequence[Sequence[str]], references: Sequence[tuple[str, ...]]
    ) -> ScoredTexts:
        """Scores the answer of each item; the whole texts are stored where a filter changes one."""
        answers = [[self._answer(texts)] for texts in samples]
        scored = super().judged_votes(answers, references)
        whole = tuple(map(tuple, samples))
        changed = any(list(texts) != answer for texts, answer in zip(whole, answers, strict=True))
        return replace(scored, generated=whole) if changed else scored

    def _answer(self, texts: Sequence[str]) -> str:
        answer = filtered(self.pipeline, [self._cut(text) for text in texts])
        if isinstance(answer, list) and len(answer) == 1:
            [answer] = answer
        if isinstance(answer, list):
            allowed = f"it leaves {len(answer)} outputs of an item; end it with take_first"
            raise InputError("filter_list", self.pipeline.name, allowed)
        return str(answer)

    def _cut(self, text: str) -> str:
        """The text before the first of each of `until`, in their order."""
        for end in filter(None, self.until):
            text = text.split(end)[0]
        return text

    def _content(self) -> dict[str, object]:
        return {
            **super()._content(),
            "until": list(self.until),
            "filters": [self.pipeline.name, [list(step) for step in self.pipeline.steps]],
            "ignored": dict(self.ignored),
        }
