"""BERT and RoBERTa against transformers, in float32: classifiers, bare models, prompts."""

import json
from functools import partial

import jax
import numpy as np
import pytest
from flax.traverse_util import unflatten_dict
from safetensors.numpy import load_file, save_file

from research.evaluation.batch import Rows, prompt_frame
from research.evaluation.scoring import target_logprobs
from research.methods.adapted import Adapted
from research.methods.head import Head
from research.models.backbone import load_backbone, load_tokenizer, save_backbone
from research.models.layers.key_value_memory import KeyValueMemory
from tests import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

CLASSIFIERS = ["BertForSequenceClassification", "RobertaForSequenceClassification"]
MASKED = ["BertForMaskedLM", "RobertaForMaskedLM"]
BARE = ["BertModel", "RobertaModel"]


@pytest.fixture
def saved(tmp_path):
    """`saved(class)`: (the reference, tiny and random, and the folder where it saved itself)."""

    def save(name, **changes):
        fields = checkpoints.ROBERTA if name.startswith("Roberta") else checkpoints.BERT
        fields = {**fields, "type_vocab_size": 2, **changes}
        torch.manual_seed(0)
        model_class = getattr(transformers, name)
        model = model_class(model_class.config_class(**fields, attn_implementation="eager")).eval()
        with torch.no_grad():
            for path, leaf in model.named_parameters():
                # Large enough that attention is far from uniform; norms are about 1.
                leaf.normal_(float(path.lower().endswith("norm.weight")), 0.3)
        model.save_pretrained(tmp_path / name)
        return model, tmp_path / name

    return save


@partial(jax.jit, static_argnums=0)
def hidden_of(model, params, *inputs):
    return model.apply({"params": unflatten_dict(params, sep="/")}, *inputs)


def run(backbone, inputs, valid, types, positions=None, memories=()):
    """Hidden states; by default at positions 0, 1, ..."""
    if positions is None:
        positions = np.tile(np.arange(inputs.shape[1], dtype=np.int32), (len(inputs), 1))
    params = {path: leaf for path, leaf in backbone.params.items() if not path.startswith("head:")}
    return hidden_of(backbone.model, params, inputs, positions, valid, types, memories)


def apply(backbone, x, method):
    params = {path: leaf for path, leaf in backbone.params.items() if not path.startswith("head:")}
    variables = {"params": unflatten_dict(params, sep="/")}
    return np.asarray(backbone.model.apply(variables, x, method=method))


def classify(backbone, features):
    """[B, C] by the head that stands in the checkpoint."""
    head = {path: np.asarray(leaf) for path, leaf in backbone.params.items()}
    if "head:/dense" in head:
        features = np.tanh(features @ head["head:/dense"] + head["head:/dense_bias"][None])
    return features @ head["head:/kernel"] + head["head:/bias"][None]


@torch.no_grad()
def theirs(model, valid, types, **inputs):
    arrays = {name: x for name, x in inputs.items() if isinstance(x, np.ndarray)}
    whole = inputs | {name: torch.tensor(x) for name, x in arrays.items()}
    attend, segments = torch.tensor(valid).long(), torch.tensor(types).long()
    return model(attention_mask=attend, token_type_ids=segments, **whole)


def reloaded(name, folder):
    """A model of that class, with every tensor of the folder used and none invented."""
    model, report = getattr(transformers, name).from_pretrained(
        folder, attn_implementation="eager", output_loading_info=True
    )
    assert not report["missing_keys"] and not report["unexpected_keys"], report
    return model.eval()


def assert_close(found, expected, valid=...):
    assert np.asarray(expected)[valid].std() > 0.1
    np.testing.assert_allclose(
        np.asarray(found)[valid], np.asarray(expected)[valid], atol=1e-4, rtol=0
    )


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_classifiers(saved, name):
    model, folder = saved(name, num_labels=3)
    backbone = load_backbone(str(folder))
    assert backbone.model.config.classes == 3
    given = checkpoints.inputs(backbone.model)
    hidden = run(backbone, given["tokens"], given["valid"], given["types"])
    expected = theirs(model, given["valid"], given["types"], input_ids=given["tokens"]).logits
    assert_close(classify(backbone, apply(backbone, hidden, "features")), expected)


@pytest.mark.parametrize("name", CLASSIFIERS)
def test_the_loss_of_a_number(saved, name):
    """One output, and the squared error: what transformers calls a regression."""
    model, folder = saved(name, num_labels=1)
    backbone = load_backbone(str(folder))
    draw = np.random.default_rng(0)
    tokens, numbers = draw.integers(5, 61, (3, 12), np.int32), draw.normal(size=3)
    size = np.full(3, 12, np.int32)
    none = np.zeros((3, 1), np.int32)
    rows = Rows(tokens, size, size, none, numbers.astype(np.float32), np.arange(3))
    adapted = Adapted(backbone.model, (Head(),), backbone.params)
    logprobs, _ = jax.jit(lambda rows: target_logprobs(adapted, rows, prompt_frame([3], [4])))(rows)
    whole = np.pad(tokens, ((0, 0), (1, 1)), constant_values=((0, 0), (3, 4)))
    given = {"input_ids": torch.tensor(whole).long(), "labels": torch.tensor(numbers).float()}
    assert -logprobs.mean() == pytest.approx(model(**given).loss.item(), rel=1e-5)


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("name", CLASSIFIERS)
def test_a_classifier_that_we_save_is_the_same_to_transformers(saved, tmp_path, name, classes):
    model, folder = saved(name, num_labels=classes)
    backbone = load_backbone(str(folder))
    save_backbone(tmp_path / "again", backbone.model, backbone.params)
    assert load_backbone(str(tmp_path / "again")).model == backbone.model
    [kind] = json.loads((tmp_path / "again/config.json").read_text())["architectures"]
    again = reloaded(kind, tmp_path / "again")
    given = checkpoints.inputs(backbone.model)
    logits = [
        theirs(m, given["valid"], given["types"], input_ids=given["tokens"]).logits
        for m in (model, again)
    ]
    assert kind == name and logits[0].shape == (3, classes) and torch.equal(*logits)


@pytest.mark.parametrize("name", BARE)
def test_a_new_head_on_a_bare_model_is_what_transformers_computes(saved, tmp_path, name):
    """With the pooler of BERT; RoBERTa has a pooler that its classifier leaves out."""
    _, folder = saved(name)
    backbone = load_backbone(str(folder))
    model = backbone.model.with_classes(4)
    draw = np.random.default_rng(0)
    params = dict(backbone.params)
    for path, shape in model.head_shapes().items():
        params[path] = draw.normal(0, 0.3, shape).astype(np.float32)
    save_backbone(tmp_path / "new", model, params)
    found = load_backbone(str(tmp_path / "new"))
    reference, report = getattr(
        transformers, name.replace("Model", "ForSequenceClassification")
    ).from_pretrained(tmp_path / "new", output_loading_info=True)
    assert not report["missing_keys"]
    given = checkpoints.inputs(found.model)
    hidden = run(found, given["tokens"], given["valid"], given["types"])
    expected = theirs(
        reference.eval(), given["valid"], given["types"], input_ids=given["tokens"]
    ).logits
    assert_close(classify(found, apply(found, hidden, "features")), expected)


@pytest.mark.parametrize("name", BARE)
def test_bare_models(saved, tmp_path, name):
    model, folder = saved(name)
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    expected = theirs(model, given["valid"], given["types"], input_ids=given["tokens"])
    hidden = run(backbone, given["tokens"], given["valid"], given["types"])
    assert_close(hidden, expected.last_hidden_state, given["valid"])
    pooled = name == "BertModel"
    features = expected.pooler_output if pooled else expected.last_hidden_state[:, 0]
    assert_close(apply(backbone, hidden, "features"), features)
    save_backbone(tmp_path / "again", backbone.model, backbone.params)
    again = theirs(
        reloaded(name, tmp_path / "again"),
        given["valid"],
        given["types"],
        input_ids=given["tokens"],
    )
    assert torch.equal(again.last_hidden_state, expected.last_hidden_state)
    assert torch.equal(again.pooler_output, expected.pooler_output)


def test_the_first_checkpoints_of_bert(saved, tmp_path):
    """With gamma and beta, a copy of the table, position_ids and a head for the next sentence."""
    model, folder = saved("BertForPreTraining")
    tensors = {}
    for name, tensor in load_file(folder / "model.safetensors").items():
        old = name.replace("LayerNorm.weight", "LayerNorm.gamma")
        tensors[old.replace("LayerNorm.bias", "LayerNorm.beta")] = tensor
    tensors["cls.predictions.decoder.weight"] = tensors["bert.embeddings.word_embeddings.weight"]
    tensors["bert.embeddings.position_ids"] = np.arange(32)[None]
    assert sum(name.endswith(("gamma", "beta")) for name in tensors) == 12
    assert "cls.seq_relationship.weight" in tensors
    save_file(tensors, folder / "model.safetensors")
    fields = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**fields, "architectures": MASKED[:1]}))

    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    hidden = run(backbone, given["tokens"], given["valid"], given["types"])
    expected = theirs(model, given["valid"], given["types"], input_ids=given["tokens"])
    logits = apply(backbone, hidden, "logits")
    assert_close(logits, expected.prediction_logits, given["valid"])
    with torch.no_grad():
        pooled = model.bert(
            torch.tensor(given["tokens"]),
            attention_mask=torch.tensor(given["valid"]).long(),
            token_type_ids=torch.tensor(given["types"]).long(),
        ).pooler_output
    assert_close(apply(backbone, hidden, "features"), pooled)


@pytest.mark.parametrize("name", MASKED)
def test_a_soft_prompt_stands_in_front(saved, name):
    model, folder = saved(name)
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    prompt = np.random.default_rng(0).normal(0, 0.3, (3, 5, 24)).astype(np.float32)
    embedded = apply(backbone, given["tokens"], "embed")
    inputs = np.concatenate([prompt, embedded], axis=1)
    valid = np.concatenate([np.ones((3, 5), bool), given["valid"]], axis=1)
    types = np.concatenate([np.zeros((3, 5), np.int32), given["types"]], axis=1)
    expected = theirs(model, valid, types, inputs_embeds=inputs).logits
    found = apply(backbone, run(backbone, inputs, valid, types), "logits")
    assert_close(found, expected, valid)


@pytest.mark.parametrize("name", BARE)
def test_keys_and_values_stand_in_front_of_every_layer(saved, name):
    model, folder = saved(name)
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    draw = np.random.default_rng(0).normal(size=(2, 2, 3, 5, 4, 6)).astype(np.float32)
    places = np.tile(np.arange(5, 29, dtype=np.int32), (3, 1))
    front, cache = np.ones((3, 5), bool), transformers.DynamicCache()
    for index, (keys, values) in enumerate(zip(*draw, strict=True)):
        cache.update(*(torch.tensor(x).transpose(1, 2) for x in (keys, values)), index)
    expected = theirs(
        model,
        np.concatenate([front, given["valid"]], axis=1),
        given["types"],
        input_ids=given["tokens"],
        position_ids=places.astype(np.int64) + backbone.model.config.offset,
        past_key_values=cache,
    ).last_hidden_state
    memory = KeyValueMemory(tuple(draw[0]), tuple(draw[1]), front, places[:, :5] - 5)
    hidden = run(backbone, given["tokens"], given["valid"], given["types"], places, (memory,))
    assert_close(hidden, expected, given["valid"])


@pytest.mark.parametrize("pad", [1, 2])
def test_positions_count_real_tokens_from_behind_the_padding_id(saved, pad):
    """Padding on the left, where transformers counts the positions of RoBERTa by itself."""
    model, folder = saved("RobertaForMaskedLM", pad_token_id=pad)
    backbone = load_backbone(str(folder))
    given = checkpoints.inputs(backbone.model)
    valid = given["valid"][:, ::-1].copy()
    tokens = np.where(valid, given["tokens"], pad).astype(np.int32)
    positions = np.maximum(np.cumsum(valid, axis=1) - 1, 0).astype(np.int32)
    expected = theirs(model, valid, given["types"], input_ids=tokens).logits
    hidden = run(backbone, tokens, valid, given["types"], positions)
    assert_close(apply(backbone, hidden, "logits"), expected, valid)


def test_a_real_sentence_encoder(checkpoint):
    """all-MiniLM-L6-v2, whose names have no prefix and whose weights are float16."""
    folder = checkpoint("all-MiniLM-L6-v2")
    backbone = load_backbone(str(folder))
    model = reloaded("BertModel", folder).float()
    tokenizer = load_tokenizer(str(folder), backbone.model)
    given = tokenizer(
        ["A film that nobody had seen.", "Once upon a time", "ok"],
        ["It was good.", "there was a wooden house by the sea.", "no"],
        padding=True,
        return_tensors="np",
    )
    valid = given["attention_mask"] == 1
    tokens, types = (given[n].astype(np.int32) for n in ("input_ids", "token_type_ids"))
    assert types.any() and not valid.all()
    expected = theirs(model, valid, types, input_ids=tokens)
    hidden = run(backbone, tokens, valid, types)
    assert_close(hidden, expected.last_hidden_state, valid)
    np.testing.assert_allclose(
        apply(backbone, hidden, "features"), expected.pooler_output, atol=1e-4, rtol=0
    )
