"""What a user asks for, as frozen dataclasses without arrays."""
