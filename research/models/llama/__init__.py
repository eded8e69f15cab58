"""The Llama family: model, config and variants, such as Mistral, Qwen, OLMo, Phi-3 and Gemma."""
