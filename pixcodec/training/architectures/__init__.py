"""The architectures that pixcodec trains besides the PixelCNN, one module each.

They have the inputs, heads and distributions of the PixelCNN, and another trunk. Only torch runs them, except
for the Row LSTM: what they are good for is to be compared, sampled and studied.
"""
