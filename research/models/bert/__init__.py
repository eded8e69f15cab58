"""BERT and RoBERTa: model, config and checkpoint keys."""
