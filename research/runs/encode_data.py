"""Draws the examples of a run and encodes them for the model with the run's prompt."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import AnswerKind
from research.evaluation.answer_kinds.select import answer_kind, constrained
from research.evaluation.batch import PromptFrame, prompt_frame
from research.experiments.experiment import Experiment
from research.experiments.plan import Run
from research.experiments.prompt import DRAWS, Prompt
from research.experiments.stage import Stage
from research.methods.method import Words
from research.runs.data import RunData
from research.runtime.clock import spent_on
from research.tasks.answering import Answering
from research.tasks.encoding.demonstration_texts import DemonstrationTexts, demonstration_texts
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.prompt_encoder import Before
from research.tasks.encoding.row_format import RowFormat
from research.tasks.encoding.shared_prefix import share_prefix
from research.tasks.encoding.special_tokens import Route
from research.tasks.encoding.tokenization import plain_vocabulary
from research.tasks.example import Example
from research.tasks.prompts.content_free import WITHOUT_DEMONSTRATIONS, content_free_prompts
from research.tasks.sampling import Regime, draw
from research.tasks.task import Task
from research.tasks.text_task import TextTask

Examples = Sequence[Example]


@spent_on("encoding")
def run_data(
    run: Run,
    tokenizer: Tokenizer,
    room: int,
    route: Route,
    stage: Stage | None = None,
    prompt: Prompt | None = None,
    model_ends: tuple[int, ...] = (),
) -> RunData:
    """Draws the run's examples and encodes them.

    Args:
        run: the run.
        tokenizer: of the backbone.
        room: positions of a row, see `research.runs.room`.
        route: how targets are predicted.
        stage: a stage whose task, regime and template replace the run's where it has its own.
        prompt: None for the run's prompt.
        model_ends: ids that end a text, from the backbone's generation_config.json.

    Raises InputError for a template that the task lacks, for texts that do not fit, and for a
    template that is empty without an input.
    """
    experiment, prompt = run.cell.experiment, prompt or run.approach
    task, regime, prompt = _of_stage(run, prompt, stage)
    task.check_template(prompt.template)
    split = draw(task, regime, run.seeds.sample, experiment.max_dev)
    kind = answer_kind(task, _answering(task, prompt, stage))
    ends = {"model_ends": model_ends} if kind.generates else {}
    encoder = _encoder(kind, tokenizer, task, prompt, experiment, room=room, route=route, **ends)
    names = [name for name in task.tests if name != "test"]
    splits = [kind.examples(examples) for examples in (split.train, split.dev, task.test)]
    further = [kind.examples(task.tests[name]) for name in names]
    seed = DRAWS * run.seeds.order + prompt.draw
    most = None if prompt.demonstrations == "fit" else prompt.demonstrations
    demonstrated = demonstration_texts(encoder, prompt.choice, splits, seed, most, further)
    encoder = replace(encoder, room=encoder.room - len(encoder.special_tokens.prefix_ids))
    rows = _rows(encoder, prompt, splits, further, demonstrated.before)
    frame, neutral, rows = _framed(rows, encoder, prompt, demonstrated)
    train, dev, test, *others = rows
    answerer = kind.answerer(encoder, run.seeds.order)
    label_texts = tuple(map(task.verbalizer.continuation, task.labels or task.words))
    return RunData(
        split=split,
        train=train,
        dev=dev,
        test=test,
        frame=frame,
        neutral=neutral,
        answerer=constrained(answerer) if prompt.constrained else answerer,
        words=Words(label_texts, encoder.ids, plain_vocabulary(tokenizer)),
        demonstrations=demonstrated.count,
        added=demonstrated.added,
        bos=encoder.has_bos if route == "causal" else None,
        row_format=RowFormat(
            encoder=encoder,
            before=next(iter(demonstrated.before[0]), ""),
            reader=task.reader,
            normalisation=prompt.normalisation,
            precision=experiment.precision,
        ),
        beside_test=dict(zip(names, others, strict=True)),
    )


def _of_stage(run: Run, prompt: Prompt, stage: Stage | None) -> tuple[Task, Regime, Prompt]:
    """Task, regime and prompt of a stage; those of the run for None."""
    if stage is None:
        return run.cell.task, run.cell.regime, prompt
    regime = run.cell.regime if stage.regime is None else Regime.parse(stage.regime)
    template = prompt.template if stage.template is None else stage.template
    # Training uses uncalibrated scores and free texts.
    prompt = replace(prompt, template=template, prior="none", constrained=False)
    return run.cell.task_of(stage), regime, prompt


def _answering(task: Task, prompt: Prompt, stage: Stage | None) -> Answering:
    """How the run answers the task; on another task, only as far as that task allows it."""
    answering = prompt.answering
    if stage is None or stage.task is None:
        return answering
    if not isinstance(task, TextTask):
        by_text = bool(task.labels) and answering.answer_by == "text"
        return replace(answering, rationale=False) if by_text else Answering()
    return replace(answering, rationale=answering.rationale and task.has_rationales)


def _encoder(
    kind: AnswerKind,
    tokenizer: Tokenizer,
    task: Task,
    prompt: Prompt,
    experiment: Experiment,
    **options: Any,
) -> Encoder:
    """The encoder of a prompt; its room is without the ids after a row."""
    if task.is_scored:
        options["target_end"] = prompt.target_end
    encoder = kind.encoder(
        tokenizer,
        prompt.template,
        too_long=experiment.too_long,
        bos=experiment.bos,
        layout=prompt.layout,
        **options,
    )
    return replace(encoder, room=encoder.room - len(encoder.suffix_ids))


def _rows(
    encoder: Encoder,
    prompt: Prompt,
    splits: Sequence[Examples],
    further: Sequence[Examples],
    before: Sequence[Before],
) -> list[Encoded]:
    """The encoded rows of all splits; those of `further` are truncated where they do not fit."""
    truncating = replace(encoder, too_long="cut")
    encode = (encoder.training, *[encoder.examples] * 2, *[truncating.examples] * len(further))
    return [
        _split_rows(*arguments, encoder, prompt)
        for arguments in zip(encode, (*splits, *further), before, strict=True)
    ]


def _split_rows(
    encode: Callable[[Examples, Before], Encoded],
    examples: Examples,
    before: Before,
    encoder: Encoder,
    prompt: Prompt,
) -> Encoded:
    """The rows of one split, with the content-free prompts of calibration."""
    texts = content_free_prompts(encoder.template, prompt.prior)
    alone = "" if prompt.prior == "empty" else encoder.wording.start
    has_demonstrations = before and prompt.prior not in WITHOUT_DEMONSTRATIONS
    demonstrations = before if has_demonstrations else (alone,)
    if len(set(demonstrations)) == 1:
        demonstrations = demonstrations[:1]  # all rows have the same content-free prompt
    rows = encode(examples, before)
    neutral = tuple(encoder.neutral(text, demonstrations, rows) for text in texts)
    return replace(rows, neutral=neutral)


def _framed(
    splits: Sequence[Encoded], encoder: Encoder, prompt: Prompt, demonstrated: DemonstrationTexts
) -> tuple[PromptFrame, PromptFrame, list[Encoded]]:
    """The frames of rows and of content-free prompts, and the splits without the shared ids."""
    special, least = encoder.special_tokens, int(encoder.route == "causal")
    # A decoder predicts the target from an id of the row.
    prefix, splits = share_prefix(splits, special.prefix_ids, demonstrated.shared, least)
    within = 0 if prompt.prior in WITHOUT_DEMONSTRATIONS else demonstrated.shared
    content_free = [neutral for rows in splits for neutral in rows.neutral]
    bare, content_free = share_prefix(content_free, special.prefix_ids, within, least)
    left = iter(content_free)
    splits = [replace(rows, neutral=tuple(islice(left, len(rows.neutral)))) for rows in splits]
    frame = prompt_frame(prefix, encoder.suffix_ids, special.mask)
    neutral_prefix = bare if content_free else prefix
    return frame, prompt_frame(neutral_prefix, encoder.suffix_ids, special.mask), splits
