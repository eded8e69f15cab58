"""Settings of generation in a task file."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from research.common.errors import InputError
from research.tasks.decoding import Decoding
from research.tasks.lm_eval.config import TaskConfig

MOST_NEW_TOKENS = 256  # the default of lm-evaluation-harness
_LENGTHS = ("max_gen_toks", "max_new_tokens", "max_tokens", "max_completion_tokens")
GENERATION_KEYS = ("until", *_LENGTHS, "do_sample", "temperature", "top_p", "top_k", "num_beams")


@dataclass(frozen=True)
class Generation:
    """How texts are generated.

    Attributes:
      decoding: length and sampling.
      until: texts before which an output ends.
    """

    decoding: Decoding
    until: tuple[str, ...]


def generation(config: TaskConfig) -> Generation:
    """The settings of a task. Without `until` an output ends before `fewshot_delimiter`.

    Raises InputError for a value that has no meaning.
    """
    options = config.generation_kwargs
    until = options.get("until", [config.fewshot_delimiter])
    until = until if isinstance(until, list) else [until]
    if not all(isinstance(end, str) for end in until):
        raise InputError("generation_kwargs.until", until, "a list of texts is expected")
    lengths = [options[key] for key in _LENGTHS if options.get(key) is not None]
    settings: dict[str, Any] = {"max_new_tokens": lengths[0] if lengths else MOST_NEW_TOKENS}
    if options.get("num_beams", 1) != 1:
        settings["num_beams"] = options["num_beams"]
    settings |= _sampling(options)
    try:
        decoding = Decoding(**settings)
    except InputError as error:
        raise error.within("generation_kwargs") from error
    return Generation(decoding, tuple(until))


def _sampling(options: Mapping[str, Any]) -> dict[str, Any]:
    """The settings of sampling; none for greedy generation, which is that of temperature 0."""
    temperature = options.get("temperature", 0.0)
    if isinstance(temperature, str):  # YAML 1.1 reads 1e-5 as a text
        try:
            temperature = float(temperature)
        except ValueError as error:
            allowed = "a number is expected"
            raise InputError("generation_kwargs.temperature", temperature, allowed) from error
    do_sample = options.get("do_sample")
    if not (temperature > 0.0 if do_sample is None else do_sample):
        return {}
    settings = {"do_sample": True, "temperature": options.get("temperature", 1.0)}
    settings["temperature"] = float(settings["temperature"])
    chosen = {key: options[key] for key in ("top_p", "top_k") if options.get(key) is not None}
    return settings | chosen
