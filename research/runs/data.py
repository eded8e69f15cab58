"""The data of one run: its split, encoded for the model with the run's prompt."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import Answerer
from research.evaluation.answer_kinds.select import answer_kind, constrained
from research.evaluation.batch import EncodedPrompts, PromptFrame, prompt_frame
from research.evaluation.widths import scoring_widths
from research.experiments.plan import Run
from research.experiments.prompt import DRAWS, Prompt
from research.experiments.stage import Stage
from research.methods.method import Leaves, Words
from research.runtime.clock import spent_on
from research.tasks.answering import Answering
from research.tasks.encoding.demonstration_texts import demonstration_texts
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.prompt_encoder import Before
from research.tasks.encoding.row_format import RowFormat
from research.tasks.encoding.shared_prefix import share_prefix
from research.tasks.encoding.special_tokens import Route
from research.tasks.encoding.tokenization import plain_vocabulary
from research.tasks.example import Example
from research.tasks.prompts.content_free import content_free_prompts
from research.tasks.sampling import Regime, Split, draw
from research.tasks.task import Task
from research.tasks.text_task import TextTask

# Positions of a row if the backbone has no limit: as many as T5 was trained with.
UNBOUNDED = 512


@dataclass(frozen=True)
class RunData:
    """The encoded data of a run with one prompt.

    Attributes:
        split: the examples drawn for training and dev.
        train: encoded training examples.
        dev: encoded dev examples.
        test: encoded test examples.
        frame: ids around every row.
        neutral: ids around a content-free prompt.
        answerer: predicts the answers to rows.
        words: texts and ids of the labels.
        demonstrations: number of demonstrations before a row.
        added: tokens of the demonstrations.
        bos: whether BOS stands before a row; None if the backbone is not a decoder.
        row_format: how further rows are encoded and scored.
        beside_test: encoded examples of the further test splits; long texts are cut, since nothing
            checks them before training.
    """

    split: Split
    train: Encoded
    dev: Encoded
    test: Encoded
    frame: PromptFrame
    neutral: PromptFrame
    answerer: Answerer
    words: Words
    demonstrations: int
    added: int
    bos: bool | None
    row_format: RowFormat
    beside_test: Mapping[str, Encoded]

    def rows(self, split: str) -> Encoded:
        """The encoded examples of a split; of train as many as dev has."""
        if split == "train":
            return self.train.head(len(self.dev.length))
        return {"dev": self.dev, "test": self.test, **self.beside_test}[split]

    def prompts(self, rows: Encoded) -> EncodedPrompts:
        """Rows of this data with their frames."""
        return EncodedPrompts(rows, self.frame, self.neutral)

    def scoring_widths(self, params: Leaves) -> tuple[int, ...]:
        """The padded widths in which a backbone scores all splits, chosen by the test rows.

        The test rows are the same for all seeds and approaches, which share the programs.
        """
        tests = (self.test, *self.beside_test.values())
        return scoring_widths(params, map(self.prompts, tests))

    @property
    def cut(self) -> int:
        """Number of truncated texts in all splits."""
        return self.train.cut + self.dev.cut + self.test.cut


def room(context: int | None, used: int, most: int | None = None) -> int:
    """Positions that are left for a row.

    Args:
        context: maximum number of positions of the backbone; None for no limit.
        used: positions of the methods.
        most: maximum of the result; None for no limit.
    """
    if context is None:
        return UNBOUNDED - used if most is None else most
    return context - used if most is None else min(context - used, most)


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
        room: positions of a row, see the function `room`.
        route: how targets are predicted.
        stage: a stage whose task, regime and template replace the run's where it has its own.
        prompt: None for the run's prompt.
        model_ends: ids that end a text, from the backbone's generation_config.json.

    Raises InputError for a template that the task lacks, for texts that do not fit, and for a
    template that is empty without an input.
    """
    task, regime, prompt = run.cell.task, run.cell.regime, prompt or run.approach
    template = prompt.template
    if stage is not None:
        task = run.cell.task_of(stage)
        regime = regime if stage.regime is None else Regime.parse(stage.regime)
        template = template if stage.template is None else stage.template
        # Training uses uncalibrated scores and free texts.
        prompt = replace(prompt, prior="none", constrained=False)
    task.check_template(template)
    split = draw(task, regime, run.seeds.sample, run.cell.experiment.max_dev)
    too_long = run.cell.experiment.too_long
    kind = answer_kind(task, _answering(task, prompt, stage))
    options: dict[str, Any] = {
        "too_long": too_long,
        "route": route,
        "bos": run.cell.experiment.bos,
        "layout": prompt.layout,
    }
    if task.labels:
        options["target_end"] = prompt.target_end
    if kind.generates:
        options["model_ends"] = model_ends
    encoder = kind.encoder(tokenizer, template, room=room, **options)
    encoder = replace(encoder, room=room - len(encoder.suffix_ids))
    splits = tuple(map(kind.examples, (split.train, split.dev, task.test)))
    seed = DRAWS * run.seeds.order + prompt.draw
    names = [name for name in task.tests if name != "test"]
    further = [kind.examples(task.tests[name]) for name in names]
    most = None if prompt.demonstrations == "fit" else prompt.demonstrations
    demonstrated = demonstration_texts(encoder, prompt.choice, splits, seed, most, further)
    special, suffix_ids = encoder.special_tokens, encoder.suffix_ids
    encoder = replace(encoder, room=encoder.room - len(special.prefix_ids))
    truncating = replace(encoder, too_long="cut")
    write = (encoder.training, *[encoder.examples] * 2, *[truncating.examples] * len(names))
    rows = [
        _rows(encode, encoder, prompt, examples, before)
        for encode, examples, before in zip(
            write, (*splits, *further), demonstrated.before, strict=True
        )
    ]
    least = int(route == "causal")  # a decoder predicts the target from an id of the row
    prefix, rows = share_prefix(rows, special.prefix_ids, demonstrated.shared, least)
    # A domain premise has no demonstrations, as in the paper's code.
    within = 0 if prompt.prior == "domain" else demonstrated.shared
    content_free = [neutral for split_rows in rows for neutral in split_rows.neutral]
    answerer = kind.answerer(encoder, run.seeds.order)
    if prompt.constrained:
        answerer = constrained(answerer)
    bare, content_free = share_prefix(content_free, special.prefix_ids, within, least)
    train, dev, test, *others = _with_neutral(rows, content_free)
    label_texts = tuple(map(task.verbalizer.continuation, task.labels or task.words))
    return RunData(
        split=split,
        train=train,
        dev=dev,
        test=test,
        frame=prompt_frame(prefix, suffix_ids, special.mask),
        neutral=prompt_frame(bare if content_free else prefix, suffix_ids, special.mask),
        answerer=answerer,
        words=Words(label_texts, encoder.ids, plain_vocabulary(tokenizer)),
        demonstrations=demonstrated.count,
        added=demonstrated.added,
        bos=encoder.has_bos if route == "causal" else None,
        row_format=RowFormat(
            encoder=encoder,
            before=next(iter(demonstrated.before[0]), ""),
            reader=task.reader,
            normalisation=prompt.normalisation,
            precision=run.cell.experiment.precision,
        ),
        beside_test=dict(zip(names, others, strict=True)),
    )


def _answering(task: Task, prompt: Prompt, stage: Stage | None) -> Answering:
    """How the run answers the task; on another task, only as far as that task allows it."""
    answering = prompt.answering
    if stage is None or stage.task is None:
        return answering
    if not isinstance(task, TextTask):
        by_text = bool(task.labels) and answering.answer_by == "text"
        return replace(answering, rationale=False) if by_text else Answering()
    return replace(answering, rationale=answering.rationale and task.has_rationales)


def _with_neutral(splits: Sequence[Encoded], content_free: Sequence[Encoded]) -> list[Encoded]:
    """The splits with these content-free prompts in place of as many of their own."""
    left = iter(content_free)
    return [replace(rows, neutral=tuple(islice(left, len(rows.neutral)))) for rows in splits]


def _rows(
    write: Callable[[Sequence[Example], Before], Encoded],
    encoder: Encoder,
    prompt: Prompt,
    examples: Sequence[Example],
    before: Before,
) -> Encoded:
    """The examples as `write` encodes them, with the content-free prompts of calibration."""
    texts = content_free_prompts(encoder.template, prompt.prior)
    demonstrations = before if before and prompt.prior != "domain" else (encoder.wording.start,)
    if len(set(demonstrations)) == 1:
        demonstrations = demonstrations[:1]  # all rows have the same content-free prompt
    neutral = tuple(encoder.ready(text, demonstrations) for text in texts)
    return replace(write(examples, before), neutral=neutral)
