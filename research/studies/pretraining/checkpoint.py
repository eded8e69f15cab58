"""Pretraining of the embedded checkpoint on the text of `research.tasks.world`.

It uses the training step of all methods. Batches alternate between packed documents, where every
token is a target, and exercises, where only the answer is a target: language modelling and
instruction tuning at once.
"""

import time
from functools import partial
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from research.common.tokenizer import Tokenizer
from research.evaluation.batch import Rows, prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.full import Full
from research.methods.method import Leaves
from research.models.backbone import random_params, save_backbone
from research.models.llama.model import Decoder
from research.studies.pretraining.batches import document_batches, exercise_batches
from research.studies.pretraining.settings import HELD_OUT_ROWS, PretrainingSettings
from research.tasks.world.corpus import VERSION
from research.tasks.world.tokenizer import train_tokenizer
from research.training.optimizer import Schedule
from research.training.step import Hyper, Program, init_state, train_step

README = """# world-1m

A decoder of {parameters:,} parameters (Llama architecture) for adaptlab's embedded benchmark,
pretrained on nothing but the text of `research/tasks/world` (world version {version}). Made by

    PYTHONPATH=. python scripts/pretrain.py {command}

Half of the steps predict every token of packed documents, half only the answer of an exercise.

| | |
| --- | --- |
| seed | {seed} |
| tokens seen | {tokens:,}, padding of exercises included |
| held-out loss, nats a token | {loss:.4f} |
| held-out sample | first {rows} rows of {length} tokens of `corpus({seed}, "heldout")` |
| time | {minutes:.0f} minutes |
"""


def make_checkpoint(
    settings: PretrainingSettings, folder: Path, command: str, console: Console
) -> None:
    """Trains tokenizer and model and writes them into a folder, with a README of the figures.

    Args:
        settings: Settings of the pretraining.
        folder: A Hugging Face folder; new or empty.
        command: Arguments of scripts/pretrain.py, for the README.
        console: Where progress is printed.
    """
    begun = time.perf_counter()
    model = settings.model()
    tokenizer = train_tokenizer(settings.seed, settings.vocabulary, settings.length)
    leaves = pretrain(settings, model, tokenizer, console)
    loss = held_out_loss(settings, model, leaves, tokenizer)
    save_backbone(str(folder), model, leaves, tokenizer)
    readme = README.format(
        parameters=sum(leaf.size for leaf in leaves.values()),
        version=VERSION,
        command=command,
        seed=settings.seed,
        tokens=settings.steps * settings.batch * settings.length,
        loss=loss,
        rows=HELD_OUT_ROWS,
        length=settings.length,
        minutes=(time.perf_counter() - begun) / 60,
    )
    (folder / "README.md").write_text(readme, encoding="utf-8")
    console.print(f"held-out loss {loss:.4f}; wrote {folder}")


def held_out_loss(
    settings: PretrainingSettings, model: Decoder, leaves: Leaves, tokenizer: Tokenizer
) -> float:
    """Mean nats per token on the first rows of the held-out corpus."""

    @jax.jit
    def loss(batch: Rows) -> jax.Array:
        return -target_logprobs(Adapted(model, (), leaves), batch, prompt_frame([]))[0].mean()

    batches = document_batches(settings, tokenizer, "heldout")
    return float(np.mean([loss(b) for b in islice(batches, HELD_OUT_ROWS // settings.batch)]))


def pretrain(
    settings: PretrainingSettings, model: Decoder, tokenizer: Tokenizer, console: Console
) -> Leaves:
    """Leaves after training; progress goes to the console."""
    steps, seed = settings.steps, jax.random.key(settings.seed)
    program = Program(model, Schedule(steps=steps, warmup=0.02, decay="cosine"))
    rate, decay = jnp.float32(settings.learning_rate), jnp.float32(settings.weight_decay)
    hyper = Hyper((Full(),), rate, decay)
    state = init_state(program, seed, random_params(model, seed))
    step = jax.jit(partial(train_step, program), donate_argnums=0)
    short = round(steps * settings.short_share / 2)
    streams = (
        document_batches(settings, tokenizer, "train", short),
        exercise_batches(settings, tokenizer),
    )
    losses, begun = [], time.perf_counter()
    for number in range(steps):
        state, metrics = step(state, {}, next(streams[number % 2]), prompt_frame([]), hyper)
        losses.append(metrics.loss)
        if number % 200 == 199:
            documented, exercised = np.mean(losses[-200::2]), np.mean(losses[-199::2])
            losses_text = f"documents {documented:.3f}  exercises {exercised:.3f}"
            console.print(f"step {number + 1}  {losses_text}  {time.perf_counter() - begun:.0f} s")
    return state.trained
