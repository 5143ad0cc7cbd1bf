"""What a model knows of images: drawing them, filling holes, and how likely they are."""
