"""Label scores of SmolLM2 on real rows against PyTorch: plain prompts and chats."""

from collections.abc import Sequence
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from research.evaluation.batch import EncodedPrompts, prompt_frame
from research.evaluation.predictor import AdaptedWeights, Predictor
from research.models.backbone import Backbone, load_backbone, load_tokenizer
from research.runtime.devices import Devices
from research.tasks import TASKS
from research.tasks.encoding.encoder import Encoder
from research.tasks.prompts.layout import LayoutSettings
from research.tasks.task import Task
from tests.shrunk_configs import config_of

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.thorough

BATCH = 16  # rows of PyTorch's batches


@pytest.fixture(scope="module")
def backbone(smollm2: Path) -> Backbone:
    return load_backbone(str(smollm2))


@pytest.fixture(scope="module")
def model(smollm2: Path):
    return transformers.AutoModelForCausalLM.from_pretrained(smollm2, dtype=torch.float32).eval()


def loaded(name: str) -> Task:
    """A task of configs/smollm2.py."""
    [settings] = [dict(task) for task in config_of("smollm2")["tasks"] if name == _name(task)]
    source = settings.pop("source")
    return TASKS[source](**settings).load()


def _name(task: dict) -> str:
    return task.get("name", task["source"])


def texts_of(task: Task, tokenizer, fields: dict, chat: bool) -> list[tuple[str, str]]:
    """(text before, text of the target) of each label, in words alone."""
    prompt, pairs = task.templates[0].fill(fields), []
    for label in task.labels:
        text = task.verbalizer.text(label)
        if not chat:
            pairs.append((prompt, " " + text))
            continue
        question = {"role": "user", "content": prompt}
        before = tokenizer.apply_chat_template(
            [question], add_generation_prompt=True, tokenize=False
        )
        whole = tokenizer.apply_chat_template(
            [question, {"role": "assistant", "content": text}], tokenize=False
        )
        pairs.append((before, whole.removeprefix(before).rstrip("\n")))
    return pairs


@torch.inference_mode()
def torch_scores(model, pairs: Sequence[tuple[list[int], list[int]]]) -> list[float]:
    """Summed log-probabilities of targets after prompts."""
    scores = []
    for first in range(0, len(pairs), BATCH):
        batch = pairs[first : first + BATCH]
        rows = [torch.tensor(before + target) for before, target in batch]
        ids = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
        mask = torch.nn.utils.rnn.pad_sequence([row**0 for row in rows], batch_first=True)
        logprobs = model(ids, attention_mask=mask).logits.log_softmax(-1)
        for row, (before, target) in enumerate(batch):
            at = torch.arange(len(before) - 1, len(before) + len(target) - 1)
            scores.append(float(logprobs[row, at, torch.tensor(target)].sum()))
    return scores


@pytest.mark.parametrize("chat", [False, True], ids=["plain", "chat"])
@pytest.mark.parametrize(("name", "rows"), [("sst2", 200), ("ag_news", 80)])
def test_scores_on_real_rows(
    shared, backbone: Backbone, model, smollm2: Path, name: str, rows: int, chat: bool
):
    """The label alone after a plain prompt; with the end of the turn in a chat."""
    task = loaded(name)
    tokenizer = load_tokenizer(str(smollm2), backbone.model)
    encoder = Encoder(
        tokenizer,
        task.templates[0],
        task.verbalizer,
        task.labels,
        1000,
        layout=LayoutSettings(chat=chat),
        target_end=chat,
    )
    examples = task.test[:rows]
    prompts = EncodedPrompts(
        encoder.examples(examples), prompt_frame(encoder.special_tokens.prefix_ids)
    )
    predictor = Predictor(backbone.model, Devices(count=1), jnp.float32)
    weights = AdaptedWeights((), backbone.params)
    scores = predictor.scores(weights, prompts, encoder.label_tokens())

    pairs = []
    for example in examples:
        for before, target in texts_of(task, tokenizer, dict(example.fields), chat):
            ids = [tokenizer(text, add_special_tokens=False).input_ids for text in (before, target)]
            assert sum(ids, []) == tokenizer(before + target, add_special_tokens=False).input_ids
            pairs.append(tuple(ids))
    expected = np.array(torch_scores(model, pairs)).reshape(scores.shape)
    np.testing.assert_allclose(scores, expected, rtol=0, atol=2e-3)
    gold = np.array([task.labels.index(example.label) for example in examples])
    accuracies = [float((s.argmax(1) == gold).mean()) for s in (scores, expected)]
    assert accuracies[0] == accuracies[1]
