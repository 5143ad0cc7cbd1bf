"""Symbols of all lanes of a step <-> the range coder."""
