"""T5 and mT5, whole or the encoder alone: models, config and checkpoint keys."""
