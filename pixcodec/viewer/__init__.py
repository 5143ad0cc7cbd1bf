"""A page to look at an image file: zoom, pixel values, tiles, and where the bits are."""
