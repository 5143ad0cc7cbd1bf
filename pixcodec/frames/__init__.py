"""Files of several frames: each is an image of its own, predicted from those before (FORMAT.md, "Series")."""
