"""Studies that make committed results besides sweeps."""
