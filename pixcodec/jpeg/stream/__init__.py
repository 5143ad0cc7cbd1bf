"""The coefficients of JPEG files <-> bitstreams (FORMAT.md, part Streams of coefficients).

The files, each after those that it imports:

    ``state``: what a stream learns, and the efforts, which differ in how much that is;
    ``neighbours``: what is known around a coefficient;
    ``fits``: linear predictions of its value and of its magnitude;
    ``contexts``: numbers that the mixing predicts bits from;
    ``stage``: the bits of blocks, as :mod:`pixcodec.coding.driver` drives them;
    ``coder``: components, stripes and threads.
"""
