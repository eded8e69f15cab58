"""Time left: estimated from the planned work of a sweep and its measured runs."""
