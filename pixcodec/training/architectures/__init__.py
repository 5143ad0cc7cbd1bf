"""The architectures that pixcodec trains besides the PixelCNN, one module each."""
