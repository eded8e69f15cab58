"""GPT-2: model and config."""
