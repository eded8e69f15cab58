"""Exported tokenizers and models, as transformers 5 reads them, and transformers 4."""

import json
import os
import subprocess

import numpy as np
import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import AutoTokenizer, LlamaTokenizer, PreTrainedTokenizerFast

from research.models.backbone import load_backbone, save_backbone
from research.models.checkpoint.generation_config import load_generation
from research.models.checkpoint.tokenizer_files import write_tokenizer
from tests import checkpoints

TEXT = "Once upon<s>a time, <|call|> there was  a film</s>\nthat nobody had seen."
# What `PreTrainedTokenizerFast` of transformers 4.57 reads of a tokenizer_config.json.
KNOWN_TO_4 = {
    "additional_special_tokens",
    "bos_token",
    "chat_template",
    "clean_up_tokenization_spaces",
    "cls_token",
    "eos_token",
    "mask_token",
    "model_input_names",
    "model_max_length",
    "pad_token",
    "padding_side",
    "sep_token",
    "split_special_tokens",
    "tokenizer_class",
    "truncation_side",
    "unk_token",
}
# Prints what a Python of transformers 4 reads of the folders in its arguments, and computes.
READ = """
import json, sys
import numpy, torch, transformers
assert transformers.__version__.startswith("4."), transformers.__version__
found = {}
for folder in sys.argv[2:]:
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    config = json.load(open(folder + "/config.json"))
    model, report = getattr(transformers, config["architectures"][0]).from_pretrained(
        folder, output_loading_info=True
    )
    ids = tokenizer.encode(sys.argv[1])
    unread = [*report["missing_keys"], *report["unexpected_keys"]]
    found[folder] = [ids, tokenizer.decode(ids), sorted(tokenizer(sys.argv[1])), unread]
    given = {n: torch.tensor(x[:1]).long() for n, x in numpy.load(folder + "/inputs.npz").items()}
    names = {"tokens": "input_ids", "target": "decoder_input_ids", "types": "token_type_ids"}
    with torch.no_grad():
        logits = model.eval()(**{names[n]: x for n, x in given.items() if n in names}).logits
    numpy.save(folder + "/logits.npy", logits.numpy())
print(json.dumps(found))
"""


def byte_level() -> PreTrainedTokenizerFast:
    """Bytes alone, with marks of its own, <s> before a text and a template for chats."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    backend = Tokenizer(models.BPE({letter: i for i, letter in enumerate(alphabet)}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.add_special_tokens(["<s>", "</s>", "<|call|>"])
    backend.post_processor = processors.TemplateProcessing("<s> $A", None, [("<s>", 256)])
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        bos_token="<s>",
        eos_token="</s>",
        pad_token="</s>",
        extra_special_tokens=["<|call|>"],
        chat_template="{{ messages[0]['content'] }}",
        model_max_length=64,
    )


def sentences() -> PreTrainedTokenizerFast:
    """A tokenizer of the class that transformers 5 names after Llama."""
    letters = sorted(set(TEXT) - set(" \n")) + ["▁"]
    words = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256)), *letters]
    return LlamaTokenizer(vocab={word: i for i, word in enumerate(words)}, merges=[])


TOKENIZERS = {"byte_level": byte_level, "sentences": sentences}


@pytest.fixture(params=TOKENIZERS)
def tokenizer(request):
    return TOKENIZERS[request.param]()


def test_a_written_tokenizer_reads_the_same_and_has_no_name_that_4_does_not_know(
    tokenizer, tmp_path
):
    write_tokenizer(tmp_path, tokenizer)
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    assert config["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert config.keys() <= KNOWN_TO_4
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again.encode(TEXT) == tokenizer.encode(TEXT)
    assert again.decode(again.encode(TEXT)) == tokenizer.decode(tokenizer.encode(TEXT))
    assert sorted(again(TEXT)) == sorted(tokenizer(TEXT))
    assert again.chat_template == tokenizer.chat_template
    assert again.all_special_tokens == tokenizer.all_special_tokens


@pytest.mark.parametrize("variant", ["llama", "t5", "bert"])
def test_a_model_that_generates_says_how(tmp_path, variant):
    backbone = load_backbone(str(checkpoints.write(tmp_path / "source", variant)))
    save_backbone(tmp_path / "new", backbone.model, backbone.params, byte_level())
    file = tmp_path / "new" / "generation_config.json"
    if variant == "bert":
        assert not file.exists()
        return
    expected = {"bos_token_id": 256, "eos_token_id": 257, "pad_token_id": 257}
    expected |= {"decoder_start_token_id": 0} if variant == "t5" else {}
    assert json.loads(file.read_text()) == expected
    source = {"eos_token_id": [3, 5], "temperature": 0.7}
    save_backbone(tmp_path / "told", backbone.model, backbone.params, generation=source)
    assert load_generation(str(tmp_path / "told")) == source
    assert load_generation(str(tmp_path / "source")) is None


def test_transformers_4_reads_what_is_exported(tmp_path):
    python = os.environ.get("ADAPTLAB_TRANSFORMERS4")
    if not python:
        pytest.skip("ADAPTLAB_TRANSFORMERS4 is not set: the Python of an environment with it")
    expected, logits = {}, {}
    for number, variant in enumerate(checkpoints.VARIANTS):
        model, params = checkpoints.drawn(variant, vocab_size=400)
        tokenizer = [byte_level, sentences][number % 2]()
        folder = tmp_path / str(number)
        save_backbone(folder, model, params, tokenizer)
        ids = tokenizer.encode(TEXT)
        expected[str(folder)] = [ids, tokenizer.decode(ids), sorted(tokenizer(TEXT)), []]
        np.savez(folder / "inputs.npz", **(inputs := checkpoints.inputs(model)))
        logits[folder] = np.asarray(checkpoints.logits(model, params, inputs))[:1]
    done = subprocess.run(
        [python, "-c", READ, TEXT, *expected], capture_output=True, text=True, env={}
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.splitlines()[-1]) == expected
    for folder, ours in logits.items():
        np.testing.assert_allclose(np.load(folder / "logits.npy"), ours, atol=2e-4, rtol=0)
