"""T5 and mT5: model, config and checkpoint keys."""
