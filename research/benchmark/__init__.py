"""How fast we are beside PyTorch and PEFT: the same weights, the same rows, turn by turn."""
