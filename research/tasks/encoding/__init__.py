"""From examples and prompts to token ids."""
