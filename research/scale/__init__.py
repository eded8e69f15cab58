"""What a training step takes on machines that are not here: memory and operations, from shapes."""
