"""How a row of the table answers where answers are generated texts."""

from dataclasses import dataclass, fields, replace
from typing import Literal

from research.common.errors import InputError
from research.tasks.decoding import Decoding

MOST_SAMPLES = 1000  # texts of an example; no two seeds of a run share a sample
TEMPERATURE = 0.7  # of samples, as in Wang et al. 2023 (arXiv 2203.11171), section 3.1

AnswerBy = Literal["scores", "text"]


@dataclass(frozen=True)
class Answering:
    """How a row answers where answers are generated texts.

    Attributes:
      answer_by: how labels are chosen, by their scores or by finding one in a generated text;
        texts are always generated.
      rationale: whether the task's rationales stand before the answers in training and in
        demonstrations.
      samples: number of texts that are sampled for an example; their most frequent answer counts.
      temperature: of the samples; None for that of a task whose decoding samples, else
        `TEMPERATURE`, and with one sample for the task's decoding.
      max_new_tokens: maximum length of a text; None for that of the task's decoding.
    """

    answer_by: AnswerBy = "scores"
    rationale: bool = False
    samples: int = 1
    temperature: float | None = None
    max_new_tokens: int | None = None

    def decoding(self, decoding: Decoding) -> Decoding:
        """The task's decoding with the row's maximum length."""
        if self.max_new_tokens is None:
            return decoding
        return replace(decoding, max_new_tokens=self.max_new_tokens)

    def sampling(self, decoding: Decoding) -> Decoding:
        """The decoding of each text that counts. Raises InputError for samples by beam search."""
        decoding = self.decoding(decoding)
        if self.samples == 1 and self.temperature is None:
            return decoding
        temperature = self.temperature
        if temperature is None:
            temperature = decoding.temperature if decoding.do_sample else TEMPERATURE
        return replace(decoding, do_sample=True, temperature=temperature)

    def check_unused(self, task: str) -> None:
        """Raises InputError for a field that is set, as no answer of the task is generated."""
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                allowed = f"it is about generated texts, and task {task} asks for none"
                raise InputError(field.name, value, allowed)


BY_THE_TASK = Answering()  # as the task says, without settings of the row
