"""Chats with SmolLM2 against PyTorch on the ids of its own chat template."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.models.backbone import load_backbone, load_tokenizer
from research.runtime.devices import Devices
from research.tasks.decoding import Decoding
from research.tasks.encoding.demonstrations import demonstration_text
from research.tasks.encoding.encoder import Encoder
from research.tasks.encoding.text_encoder import TextEncoder
from research.tasks.example import Example
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.prompts.template import Template
from research.tasks.prompts.verbalizer import FreeText, Verbalizer

pytestmark = pytest.mark.thorough

TEMPLATE = Template("Review: {text}\nIs the review good or bad?")
VERBALIZER = Verbalizer({"0": "bad", "1": "good"})
TEXTS = ("a gripping and funny film", "the plot is a mess", "dull, long and loud", "I loved it")
SHOTS = (Example({"text": "a waste of time"}, "0"), Example({"text": "simply wonderful"}, "1"))


@pytest.mark.parametrize("system", ["", "You are a film critic."])
@pytest.mark.parametrize("shots", [0, 2])
def test_label_scores_are_those_of_pytorch(smollm2: Path, shots: int, system: str):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    backbone = load_backbone(str(smollm2))
    tokenizer = load_tokenizer(str(smollm2), backbone.model)
    layout = LayoutSettings(chat=True, system=system)
    made = Encoder(tokenizer, TEMPLATE, VERBALIZER, ("0", "1"), 1000, layout=layout)
    before = demonstration_text(made, SHOTS[:shots])
    rows = [Example({"text": text}, "1") for text in TEXTS]
    encoded = made.examples(rows, [before] * len(rows))
    prompts = EncodedPrompts(encoded, prompt_frame(made.special_tokens.prefix_ids))
    predictor = Predictor(backbone.model, Devices(count=1), jnp.float32)
    scores = predictor.scores(AdaptedWeights((), backbone.params), prompts, made.label_tokens())

    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    expected = np.zeros_like(scores)
    for row, label in np.ndindex(*expected.shape):
        messages = [{"role": "system", "content": system}] if system else []
        for example in (*SHOTS[:shots], rows[row]):
            content = TEMPLATE.fill(example.fields)
            messages.append({"role": "user", "content": content})
            messages.append({"role": "assistant", "content": VERBALIZER.text(example.label)})
        messages[-1]["content"] = VERBALIZER.text(str(label))
        prompt = tokenizer.apply_chat_template(
            messages[:-1], add_generation_prompt=True, return_dict=False
        )
        whole = tokenizer.apply_chat_template(messages, return_dict=False)
        ids = torch.tensor([whole[:-1]])  # the template writes a line break after the last turn
        assert tokenizer.decode(ids[0, -1:]) == "<|im_end|>"
        with torch.no_grad():
            logprobs = model(ids).logits[0].log_softmax(-1)
        places = range(len(prompt), len(whole) - 1)
        expected[row, label] = sum(float(logprobs[i - 1, ids[0, i]]) for i in places)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-3)


def test_answers_are_those_of_transformers(smollm2: Path):
    """By greedy decoding, until the template's end of an answer."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    backbone = load_backbone(str(smollm2))
    tokenizer = load_tokenizer(str(smollm2), backbone.model)
    questions = ("What is the capital of France?", "Say hello.")
    options: dict[str, Any] = {"layout": LayoutSettings(chat=True), "model_ends": backbone.ends}
    made = TextEncoder(tokenizer, Template("{text}"), FreeText(), (), 500, most=24, **options)
    encoded = made.examples([Example({"text": text}, "x") for text in questions])
    prompts = EncodedPrompts(encoded, prompt_frame(made.special_tokens.prefix_ids))
    predictor = Predictor(backbone.model, Devices(count=1), jnp.float32)
    weights, decoding = AdaptedWeights((), backbone.params), Decoding(max_new_tokens=24)
    generated = predictor.generate(weights, prompts, decoding, ends=made.ends)
    model = transformers.AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32)
    ended = []
    for index, question in enumerate(questions):
        ids = tokenizer.apply_chat_template(
            [{"role": "user", "content": question}],
            add_generation_prompt=True,
            return_dict=False,
            return_tensors="pt",
        )
        whole = model.generate(ids, do_sample=False, max_new_tokens=24, attention_mask=ids**0)
        expected = whole[0, ids.shape[1] :].tolist()
        assert generated.tokens[index, : generated.length[index]].tolist() == expected
        ended.append(expected[-1] == tokenizer.eos_token_id)
    assert any(ended)
