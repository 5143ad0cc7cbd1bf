"""Images that a JPEG decoder made: their quantised DCT coefficients are stored instead of their pixels.

Both directions meet in :mod:`pixcodec.jpeg.way`, which :mod:`pixcodec.codec` calls. The files, each after
those that it imports:

What coefficients are
    ``coefficients``: the types; ``decoders``, ``orientations``: how pixels follow from them, and are turned;
    ``transform``, ``upsample``, ``colours``: coefficients -> samples -> as many as luma has -> colours;
    ``pixels``: all of these in turn;
    ``blocks``: planes of samples <-> blocks of 8x8 and their DCT.

The search, pixels -> coefficients (encoder only; FORMAT.md does not prescribe it)
    ``find_samples``: colours -> samples Y, Cb and Cr, exact or bounded;
    ``standard_tables``, ``find_steps``: coefficients before rounding -> the steps of quantisation;
    ``find_grid``: luma -> where its blocks of 8x8 begin;
    ``find_turn``: luma -> which transform gave it, and whether rows and columns were exchanged since;
    ``enlarged``: chroma -> how it was perhaps enlarged, and flipped since;
    ``mend``: blocks -> blocks whose samples lie within bounds;
    ``find_blocks``: planes that were not interpolated -> their table and blocks;
    ``find_small_chroma``, ``find_chroma``: interpolated planes of chroma -> their table and blocks;
    ``find_subsampling``: which subsampling of chroma gives most pixels;
    ``find``: the entry point, all of these in turn.

The coding, coefficients <-> bytes (FORMAT.md, section JPEG)
    ``chunk``: the chunk COEF, whose coefficients :mod:`pixcodec.jpeg.stream` codes.

What earlier versions wrote instead of streams (FORMAT.md, section One bitstream)
    ``state``: what the coder learns from an image; ``neighbours``: what is known around a coefficient;
    ``fits``: linear predictions of it; ``contexts``: numbers that the mixing stage predicts bits from;
    ``coder``: all of these in turn.
"""
