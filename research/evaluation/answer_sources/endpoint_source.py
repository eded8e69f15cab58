"""An OpenAI-compatible server as an answer source."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from research.evaluation.answer_kinds.kind import ExternalAnswer
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.answer_sources.client import EndpointClient
from research.evaluation.answer_sources.conversation import Conversation
from research.evaluation.answer_sources.endpoint import Endpoint
from research.evaluation.answer_sources.source import UNKNOWN_COSTS, ScoredAnswers, answered
from research.tasks.example import Example
from research.tasks.task import Task

SplitReport = Callable[[str, int, int], None]  # (split, answered rows, all rows)


@dataclass(frozen=True)
class EndpointSource:
    """The answers of a server, which is asked for those that are not cached.

    Attributes:
        endpoint: the settings of the server.
        task: the task.
        conversation: the prompts.
        seed: the seed of the run.
        client: sends the requests.
        splits: the splits that are asked for.
        report: called after each reply.
    """

    endpoint: Endpoint
    task: Task
    conversation: Conversation
    seed: int
    client: EndpointClient
    splits: frozenset[str]
    report: SplitReport

    @property
    def costs(self) -> Mapping[str, Any]:
        return UNKNOWN_COSTS

    @property
    def demonstrations(self) -> int:
        """Number of demonstrations before each example."""
        return self.conversation.demonstrations.size

    def answer(self, split: str, examples: Sequence[Example]) -> ScoredAnswers | None:
        """None for a split that is not asked for. Raises InputError where the server fails."""
        if split not in self.splits:
            return None
        kind = answer_kind(self.task)
        prompts = self.conversation.messages(examples)
        bodies = [self.endpoint.body(prompt, self.task, self.seed) for prompt in prompts]
        answers = [
            ExternalAnswer(
                text=None if reply.text is None else kind.parse_answer(reply.text, reply=True),
                prompt_tokens=reply.prompt_tokens,
                answer_tokens=reply.answer_tokens,
                seconds=reply.seconds,
            )
            for reply in self.client.replies(bodies, partial(self.report, split))
        ]
        return answered(self.task, examples, answers, self.endpoint)
