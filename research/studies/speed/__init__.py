"""Training and inference speed against PyTorch and PEFT."""
