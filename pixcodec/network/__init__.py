"""The PixelCNN: architecture, training module, integers, distributions, wavefronts."""
