"""Devices, compiled programs and the memory of the process."""
