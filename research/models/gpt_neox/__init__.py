"""GPT-NeoX and Pythia: model and config."""
