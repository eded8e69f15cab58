"""The classes of BERT and RoBERTa in transformers, and the parts that each has."""

from collections.abc import Mapping
from typing import Any

from research.common.errors import InputError

OTHER_HEADS = ("ForTokenClassification", "ForQuestionAnswering", "ForMultipleChoice")
CLASS_PREFIX = {"bert": "Bert", "roberta": "Roberta"}  # of the classes in transformers

# Parts beside the layers, by class of transformers. RoBERTa classifies without a pooler.
PARTS: dict[str, frozenset[str]] = {
    "BertModel": frozenset({"pooler"}),
    "BertForMaskedLM": frozenset({"masked_lm"}),
    "BertForPreTraining": frozenset({"masked_lm", "pooler"}),
    "BertForSequenceClassification": frozenset({"pooler", "classes"}),
    "BertForTokenClassification": frozenset(),
    "BertForQuestionAnswering": frozenset(),
    "BertForNextSentencePrediction": frozenset({"pooler"}),
    "BertForMultipleChoice": frozenset({"pooler"}),
    "RobertaModel": frozenset({"pooler"}),
    "RobertaForTokenClassification": frozenset(),
    "RobertaForQuestionAnswering": frozenset(),
    "RobertaForMultipleChoice": frozenset({"pooler"}),
    "RobertaForMaskedLM": frozenset({"masked_lm"}),
    "RobertaForSequenceClassification": frozenset({"classes"}),
}


def class_parts(config: Mapping[str, Any], family: str) -> frozenset[str]:
    """The parts of the class that `architectures` names; of the bare model if it names none."""
    prefix = CLASS_PREFIX[family]
    supported = [name for name in PARTS if name.startswith(prefix)]
    names = config.get("architectures") or [f"{prefix}Model"]
    if not isinstance(names, list) or len(names) != 1 or names[0] not in supported:
        raise InputError("architectures", names, f"one of {', '.join(supported)} is expected")
    return PARTS[names[0]]
