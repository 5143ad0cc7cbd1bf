"""Trains the networks that foresee the bits of JPEG coefficients (``pixcodec/models/jpeg``).

The files, each after those that it imports:

    ``blocks``: the components of JPEG files, and what the networks see of their blocks;
    ``network``: the network in torch, and what its bits cost;
    ``train``: the runs, from the command line;
    ``export``: weights of torch -> the integers that ship.
"""
