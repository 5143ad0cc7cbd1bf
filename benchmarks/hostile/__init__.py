"""Hostile .pxc files: small files of all kinds, ways to damage them, and what must come of it."""
