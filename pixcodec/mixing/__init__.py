"""Context mixing: what a tile has shown so far refines the prediction of each bit."""
