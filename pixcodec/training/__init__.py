"""Training of the PixelCNN and its export to integers; never imported by the codec."""
