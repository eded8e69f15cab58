"""Settings of generation, named as in transformers."""

from dataclasses import asdict, dataclass, fields
from math import inf
from typing import Any, Literal

from research.common.errors import LARGEST, InputError, check_whole

SAMPLING = ("temperature", "top_k", "top_p")
BEAMS = ("length_penalty", "early_stopping")


@dataclass(frozen=True)
class Decoding:
    """Settings of generation; greedy by default.

    Raises InputError for a value out of range, and for a value that has no effect.

    Attributes:
      max_new_tokens: maximum length of a text, including its end token.
      do_sample: samples from softmax(logits / temperature), restricted by `top_k` and `top_p`.
      temperature: divides the logits.
      top_k: number of most probable tokens to sample from; None for all.
      top_p: nucleus sampling, Holtzman et al. 2020 (arXiv 1904.09751), section 3.1: samples from
        the smallest set of most probable tokens with this share of the remaining probability.
      num_beams: beam search from 2 on.
      length_penalty: a text of n tokens scores its summed log-probability / n ** length_penalty,
        so values above 0 favour long texts.
      early_stopping: end of beam search for a row with `num_beams` finished texts. True: at once;
        False: if no beam has a better score now; "never": if no beam can reach a better score.
      no_repeat_ngram_size: no generated token completes an n-gram of this size that occurs before;
        None: no limit.
      no_repeat_in_prompt: whether it may not have occurred in a decoder's prompt either, as in
        transformers; false: only generated tokens count. Soft prompts have no n-grams.
    """

    max_new_tokens: int = 64
    do_sample: bool = False
    temperature: float = 1.0
    top_k: int | None = None
    top_p: float = 1.0
    num_beams: int = 1
    length_penalty: float = 1.0
    early_stopping: bool | Literal["never"] = False
    no_repeat_ngram_size: int | None = None
    no_repeat_in_prompt: bool = True

    def __post_init__(self):
        self._check_whole("max_new_tokens")
        self._check_whole("num_beams")
        for name in ("top_k", "no_repeat_ngram_size"):
            if getattr(self, name) is not None:
                self._check_whole(name)
        self._check_number("temperature", above=0.0)
        self._check_number("top_p", above=0.0, most=1.0)
        self._check_number("length_penalty")
        for name in ("do_sample", "no_repeat_in_prompt"):
            if not isinstance(getattr(self, name), bool):
                raise InputError(name, getattr(self, name), "true or false is expected")
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "never":
            allowed = "true, false or 'never' is expected"
            raise InputError("early_stopping", self.early_stopping, allowed)
        if self.do_sample and self.num_beams > 1:
            raise InputError("num_beams", self.num_beams, "with do_sample only 1 is supported")
        if not self.do_sample:
            self._check_unset(SAMPLING, "it has an effect only with do_sample")
        if self.no_repeat_ngram_size is None:
            why = "it has an effect only with no_repeat_ngram_size"
            self._check_unset(("no_repeat_in_prompt",), why)
        if self.num_beams == 1:
            self._check_unset(BEAMS, "it has an effect only with num_beams above 1")

    def _check_whole(self, name: str) -> None:
        value = getattr(self, name)
        if isinstance(value, bool) or not isinstance(value, int):
            raise InputError(name, value, "a whole number from 1 is expected")
        check_whole(name, value, most=LARGEST)

    def _check_number(self, name: str, above: float = -inf, most: float = inf) -> None:
        value: Any = getattr(self, name)
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not number or not above < value <= most or value == inf:
            bounds = "" if above == -inf else f" above {above:g}"
            bounds += "" if most == inf else f" and at most {most:g}"
            raise InputError(name, value, f"a number{bounds} is expected")

    def _check_unset(self, names: tuple[str, ...], why: str) -> None:
        for field in fields(self):
            if field.name in names and getattr(self, field.name) != field.default:
                raise InputError(field.name, getattr(self, field.name), why)


def decoding_to_json(decoding: Decoding) -> dict[str, object]:
    """All fields; newer ones only where set, so that checksums of older tasks stay the same."""
    values = asdict(decoding)
    if decoding.no_repeat_ngram_size is None:
        del values["no_repeat_ngram_size"], values["no_repeat_in_prompt"]
    if decoding.do_sample:
        values["seed"] = "of the run"  # each run has samples of its own
    return values
