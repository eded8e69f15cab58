"""Names of an encoder's leaves in checkpoints of BERT and RoBERTa."""

from research.models.checkpoint.key_map import Key, KeyMap


def _linear(tensor: str, leaf: str) -> tuple[Key, Key]:
    kernel = Key(f"{tensor}.weight", f"{leaf}/kernel", True)
    return kernel, Key(f"{tensor}.bias", f"{leaf}/bias")


def _norm(tensor: str, leaf: str) -> tuple[Key, Key]:
    return Key(f"{tensor}.weight", f"{leaf}/scale"), Key(f"{tensor}.bias", f"{leaf}/bias")


def _stack(base: str, pooler: str) -> tuple[Key, ...]:
    """The keys of everything but the heads; the tensors' names begin with `base`."""
    embeddings, layer = f"{base}embeddings", f"{base}encoder.layer.{{i}}"
    return (
        Key(f"{embeddings}.word_embeddings.weight", "embed/embedding"),
        Key(f"{embeddings}.position_embeddings.weight", "positions/embedding"),
        Key(f"{embeddings}.token_type_embeddings.weight", "types/embedding"),
        *_norm(f"{embeddings}.LayerNorm", "embed_norm"),
        *_linear(f"{layer}.attention.self.query", "layers_{i}/attention/query"),
        *_linear(f"{layer}.attention.self.key", "layers_{i}/attention/key"),
        *_linear(f"{layer}.attention.self.value", "layers_{i}/attention/value"),
        *_linear(f"{layer}.attention.output.dense", "layers_{i}/attention/out"),
        *_norm(f"{layer}.attention.output.LayerNorm", "layers_{i}/attention_norm"),
        *_linear(f"{layer}.intermediate.dense", "layers_{i}/mlp/up"),
        *_linear(f"{layer}.output.dense", "layers_{i}/mlp/down"),
        *_norm(f"{layer}.output.LayerNorm", "layers_{i}/mlp_norm"),
        *_linear(f"{base}pooler.dense", pooler),
    )


# Of token classification and of answers by their ends.
_OTHER_HEADS = tuple(
    f"{head}.{leaf}" for head in ("classifier", "qa_outputs") for leaf in ("weight", "bias")
)

BERT = KeyMap(
    (
        *_stack("bert.", "pooler"),
        *_linear("cls.predictions.transform.dense", "head/dense"),
        *_norm("cls.predictions.transform.LayerNorm", "head/norm"),
        Key("cls.predictions.bias", "head/bias"),
        *_linear("classifier", "head:"),
    ),
    copies={
        "cls.predictions.decoder.weight": "bert.embeddings.word_embeddings.weight",
        "cls.predictions.decoder.bias": "cls.predictions.bias",
    },
    # A counter of positions, and the head for next-sentence prediction.
    ignored=(
        "bert.embeddings.position_ids",
        "cls.seq_relationship.weight",
        "cls.seq_relationship.bias",
    ),
    base="bert.",
    other_heads=_OTHER_HEADS,
)

ROBERTA = KeyMap(
    (
        *_stack("roberta.", "spare_pooler"),
        *_linear("lm_head.dense", "head/dense"),
        *_norm("lm_head.layer_norm", "head/norm"),
        Key("lm_head.bias", "head/bias"),
        *_linear("classifier.out_proj", "head:"),
        Key("classifier.dense.weight", "head:/dense", True),
        Key("classifier.dense.bias", "head:/dense_bias"),
    ),
    copies={
        "lm_head.decoder.weight": "roberta.embeddings.word_embeddings.weight",
        "lm_head.decoder.bias": "lm_head.bias",
    },
    ignored=("roberta.embeddings.position_ids",),
    base="roberta.",
    other_heads=_OTHER_HEADS,
)
