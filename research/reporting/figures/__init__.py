"""Figures, as SVG for the page and as PNG or PDF by matplotlib."""
