"""adaptlab: measures every way to adapt a pretrained language model."""
