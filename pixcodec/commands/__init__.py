"""The commands of ``pixcodec``; with cli.py, the only files that print."""
