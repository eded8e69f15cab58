"""Names of metrics in tables and figures."""

NAMES = {
    "macro_f1": "macro F1",
    "matthews": "Matthews' correlation",
    "acc": "accuracy by log-likelihood",
    "acc_norm": "accuracy by log-likelihood per character",
    "acc_bytes": "accuracy by log-likelihood per byte",
    "exact_match": "exact match",
    "number": "equal numbers",
    "answered": "share of outputs with an answer",
    "bleu": "BLEU",
    "chrf": "chrF",
    "rouge_l": "ROUGE-L",
    "f1": "word F1",
    "referent": "referent accuracy",
    "pearson": "Pearson's correlation",
    "spearman": "Spearman's correlation",
    "sql_execution": "SQL execution accuracy",
    "sql_match": "SQL exact match",
    "format": "share in the required format",
    "entity_f1": "entity F1",
    "relation_f1": "relation F1",
}

# Metrics that count words.
OF_WORDS = ("bleu", "f1", "rouge_l")
