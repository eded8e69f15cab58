"""Adapters from and to files of other libraries: Hugging Face PEFT, soft prompts as `.npy`."""
