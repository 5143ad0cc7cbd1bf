"""pixcodec as a format of Pillow and a codec of numcodecs."""
