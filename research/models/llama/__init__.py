"""The Llama family: model, config and variants (Mistral, Qwen)."""
