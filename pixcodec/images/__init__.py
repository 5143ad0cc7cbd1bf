"""What a picture file says <-> the planes that are coded."""
