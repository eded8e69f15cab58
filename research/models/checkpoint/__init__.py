"""Hugging Face checkpoints: safetensors and config.json of any family."""
