"""Prompt templates, verbalizers and content-free prompts for calibration."""
