"""The settings of generation, by their names in transformers."""

from dataclasses import dataclass, fields
from math import inf
from typing import Any, Literal

from research.common.errors import LARGEST, InputError, check_whole

SAMPLING = ("temperature", "top_k", "top_p")
BEAMS = ("length_penalty", "early_stopping")


@dataclass(frozen=True)
class Decoding:
    """How the next token is chosen; greedily unless something is set.

    max_new_tokens: the most tokens of a text, its end token included.
    do_sample: draws from softmax(logits / temperature), cut to the `top_k` most probable tokens
    (None: all), then to the fewest most probable ones that have `top_p` of what is left: nucleus
    sampling, Holtzman et al. 2020 (arXiv 1904.09751), section 3.1.
    num_beams: from 2 on, beam search. A text of n tokens scores its summed log-probability over
    n ** length_penalty, so more than 0 favours long ones. early_stopping: when a row is done with
    as many texts as beams: True, at once; False, when no beam would have a better score now;
    "never", when none can have one later.
    no_repeat_ngram_size: so many tokens in a row stand in a text at most once; None: any.

    Raises InputError for a value that makes no sense, and for one that nothing would read.
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

    def __post_init__(self):
        self._check_whole("max_new_tokens")
        self._check_whole("num_beams")
        for name in ("top_k", "no_repeat_ngram_size"):
            if getattr(self, name) is not None:
                self._check_whole(name)
        self._check_number("temperature", above=0.0)
        self._check_number("top_p", above=0.0, most=1.0)
        self._check_number("length_penalty")
        if not isinstance(self.do_sample, bool):
            raise InputError("do_sample", self.do_sample, "true or false is expected")
        if not isinstance(self.early_stopping, bool) and self.early_stopping != "never":
            allowed = "true, false or 'never' is expected"
            raise InputError("early_stopping", self.early_stopping, allowed)
        if self.do_sample and self.num_beams > 1:
            raise InputError("num_beams", self.num_beams, "with do_sample only 1 is supported")
        if not self.do_sample:
            self._check_unset(SAMPLING, "it takes do_sample to have an effect")
        if self.num_beams == 1:
            self._check_unset(BEAMS, "it takes num_beams above 1 to have an effect")

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
