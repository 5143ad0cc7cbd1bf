"""Training of the PixelCNN and its export to integers; never imported by the codec.

A run folder holds a checkpoint and a log. The checkpoint (safetensors) has the weights, their moving average,
the state of the optimiser and, as JSON metadata, the settings. The log has one JSON object a line.
"""

from __future__ import annotations

CHECKPOINT = "checkpoint.safetensors"
LOG = "log.jsonl"
