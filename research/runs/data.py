"""The data of one run: its split, encoded for the model with the run's prompt."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from research.common.errors import InputError
from research.common.tokenizer import Tokenizer
from research.evaluation.answer_kinds.kind import Answerer
from research.evaluation.answer_kinds.select import answer_kind
from research.evaluation.batch import EncodedPrompts, PromptFrame, prompt_frame
from research.experiments.plan import Run
from research.experiments.prompt import DRAWS, Prompt
from research.experiments.stage import Stage
from research.methods.method import Words
from research.tasks.encoding.demonstration_ids import demonstration_ids
from research.tasks.encoding.encoded import Encoded
from research.tasks.encoding.encoder import Before, Encoder
from research.tasks.encoding.special_tokens import Route
from research.tasks.prompts.content_free import content_free_prompts
from research.tasks.sampling import Regime, Split, draw
from research.tasks.task import Example

# Positions offered to a backbone that takes any number of them: as many as T5 was trained with.
UNBOUNDED = 512


@dataclass(frozen=True)
class RunData:
    """neutral: the frame of prompts without an input. answerer: how rows are answered.
    demonstrations: how many stand before a row. added: their tokens. bos: whether BOS stands
    before a row, None where the backbone is no decoder. truncated: encodes further examples for
    the same prompt, too long ones cut to fit.
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
    truncated: Callable[[Sequence[Example]], Encoded]

    def rows(self, split: str) -> Encoded:
        """Of train, as many as dev has, of dev or of test."""
        if split == "train":
            return self.train.head(len(self.dev.length))
        return {"dev": self.dev, "test": self.test}[split]

    def prompts(self, rows: Encoded) -> EncodedPrompts:
        """Rows of this data with the frames around them."""
        return EncodedPrompts(rows, self.frame, self.neutral)

    @property
    def cut(self) -> int:
        """How many texts, of all splits, were cut to fit."""
        return self.train.cut + self.dev.cut + self.test.cut


def room(context: int | None, taken: int, most: int | None = None) -> int:
    """Positions that are left for a row beside those `taken`, and at most `most`.

    context: of the backbone, None where it takes any number of positions.
    """
    if context is None:
        return UNBOUNDED - taken if most is None else most
    return context - taken if most is None else min(context - taken, most)


def run_data(
    run: Run,
    tokenizer: Tokenizer,
    room: int,
    route: Route,
    stage: Stage | None = None,
    prompt: Prompt | None = None,
) -> RunData:
    """Draws and encodes; `room` is the model's context less what methods take, in positions.

    stage: whose task, regime and template count, where it has its own. prompt: None for the run's.
    Raises InputError for a template the task does not have, for texts that do not fit, and where
    nothing is left of a template without an input.
    """
    task, regime, prompt = run.cell.task, run.cell.regime, prompt or run.approach
    template = prompt.template
    if stage is not None:
        task = run.cell.task_of(stage)
        regime = regime if stage.regime is None else Regime.parse(stage.regime)
        template = template if stage.template is None else stage.template
        prompt = replace(prompt, prior="none")  # training minimises what no prior is taken off
    if not 0 <= template < len(task.templates):
        allowed = f"task {task.name} has the templates 0 to {len(task.templates) - 1}"
        raise InputError("template", template, allowed)
    split = draw(task, regime, run.seeds.sample, run.cell.experiment.max_dev)
    too_long = run.cell.experiment.too_long
    kind = answer_kind(task)
    options: dict[str, Any] = {"too_long": too_long, "route": route, "bos": run.cell.experiment.bos}
    encoder = kind.encoder(tokenizer, template, room=room, **options)
    encoder = replace(encoder, room=room - len(encoder.suffix_ids))
    splits, seed = (split.train, split.dev, task.test), DRAWS * run.seeds.order + prompt.draw
    most = None if prompt.demonstrations == "fit" else prompt.demonstrations
    before = demonstration_ids(encoder, prompt.choice, splits, seed, most)
    encoder = replace(encoder, room=encoder.room - before.longest)
    # A domain premise stands alone: it has no demonstrations in the paper's code either.
    bare = encoder.prefix_ids(()) if prompt.prior == "domain" else before.prefix_ids

    def encode_truncated(examples: Sequence[Example]) -> Encoded:
        write = replace(encoder, too_long="cut").examples
        return _rows(write, encoder, prompt, examples, before.further(examples))

    return RunData(
        split,
        _rows(encoder.training, encoder, prompt, split.train, before.before[0]),
        _rows(encoder.examples, encoder, prompt, split.dev, before.before[1]),
        _rows(encoder.examples, encoder, prompt, task.test, before.before[2]),
        prompt_frame(before.prefix_ids, encoder.suffix_ids, encoder.special_tokens.mask),
        prompt_frame(bare, encoder.suffix_ids, encoder.special_tokens.mask),
        kind.answerer(encoder),
        Words(tuple(map(task.verbalizer.continuation, task.labels or task.words)), encoder.ids),
        before.count,
        before.added,
        bool(encoder.special_tokens.prefix_ids) if route == "causal" else None,
        encode_truncated,
    )


def _rows(
    write: Callable[[Sequence[Example], Before], Encoded],
    encoder: Encoder,
    prompt: Prompt,
    examples: Sequence[Example],
    before: Before,
) -> Encoded:
    """What `write` makes of them, with the prompts without an input that stand where they do."""
    texts = content_free_prompts(encoder.template, prompt.prior)
    places = before if before and prompt.prior != "domain" else ((),)
    neutral = tuple(encoder.ready(text, places) for text in texts)
    return replace(write(examples, before), neutral=neutral)
