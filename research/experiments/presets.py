"""Approaches that many experiments use, as the plain data of a config."""

from collections.abc import Mapping, Sequence
from typing import Any

Row = dict[str, Any]


def zero_shot() -> Row:
    """The prompt alone; dev chooses one of the task's templates."""
    return dict(name="zero-shot prompt", trials="templates")


def few_shot(draws: int) -> Row:
    """As many demonstrations as fit the context; dev chooses one of `draws` draws."""
    trials = [dict(draw=i) for i in range(draws)]
    return dict(name="few-shot prompt", demonstrations="fit", trials=trials)


def prompt_search(name: str, prompts: int, **prompt: Any) -> Row:
    """A search over prompts, each with a template and a draw of ordered demonstrations.

    Args:
        name: name of the row.
        prompts: number of prompts.
        prompt: demonstrations, choice, normalisation, prior or ensemble.
    """
    return dict(name=name, trials=dict(prompts=prompts), **prompt)


def trained(
    name: str, method: Mapping[str, Any], learning_rates: tuple[float, ...] | None = None
) -> Row:
    """One stage; dev chooses the learning rate, by default from the method's own rates for the size
    of the backbone.
    """
    return dict(name=name, stages=[dict(method=method)], trials=_trials(learning_rates))


def with_head(
    name: str,
    methods: Sequence[Mapping[str, Any]],
    learning_rates: tuple[float, ...] | None = None,
    pool: str = "first",
) -> Row:
    """One stage that trains a classification head together with `methods`; dev chooses the learning
    rate, by default from the lowest rates among those of the methods.
    """
    together = [dict(name="head", pool=pool), *methods]
    return dict(name=name, stages=[dict(methods=together)], trials=_trials(learning_rates))


def hybrid(
    name: str, stages: Sequence[Mapping[str, Any]], trials: Sequence[Mapping[str, Any]] | str
) -> list[Row]:
    """Several stages, and a control: the first stage alone with as many steps.

    The control has as many trials, with the first stage's learning rate times 1, 1/3, 3, ...

    Args:
        name: name of the row.
        stages: the stages, each with a `schedule` that has `steps`.
        trials: trials of the last stage.
    """
    first = dict(stages[0])
    steps = sum(stage["schedule"]["steps"] for stage in stages)
    alone = {n: v for n, v in first.items() if n not in ("merge", "template", "task", "regime")}
    alone["schedule"] = {**first["schedule"], "steps": steps}
    count = len(trials) if not isinstance(trials, str) else 3
    factors = [3.0 ** ((i + 1) // 2 * (-1) ** i) for i in range(count)]
    rates = [dict(learning_rate=first["learning_rate"] * factor) for factor in factors]
    control = dict(name=f"{name}: first stage alone", stages=[alone], trials=rates)
    return [dict(name=name, stages=list(stages), trials=trials), control]


def lp_ft(
    name: str, head_rate: float, learning_rates: tuple[float, ...], pool: str = "first"
) -> Row:
    """LP-FT: the head first, then all parameters (Kumar et al. 2022, arXiv 2202.10054)."""
    head = dict(name="head", pool=pool)
    stages = [
        dict(methods=[head], learning_rate=head_rate),
        dict(methods=[head, dict(name="full")]),
    ]
    return dict(name=name, stages=stages, trials=[dict(learning_rate=r) for r in learning_rates])


def gradual_unfreezing(
    name: str, layers: int, steps: int, learning_rates: tuple[float, ...]
) -> Row:
    """Gradual unfreezing: the last layer, the last two, ... (Howard & Ruder 2018, arXiv 1801.06146,
    section 3.3), with `steps` for all stages together and one learning rate.
    """
    schedule = dict(steps=max(1, steps // layers))
    stages = [
        dict(method=dict(name="last_layers", last=last), schedule=schedule)
        for last in range(1, layers + 1)
    ]
    trials = [{"stages.learning_rate": rate} for rate in learning_rates]
    return dict(name=name, stages=stages, trials=trials)


def _trials(learning_rates: tuple[float, ...] | None) -> list[dict[str, float]] | str:
    if learning_rates is None:
        return "learning_rates"
    return [dict(learning_rate=rate) for rate in learning_rates]
