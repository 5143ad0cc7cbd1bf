"""JPEG files that come back byte for byte: what a file holds besides its coefficients.

Both directions meet in :mod:`pixcodec.jpeg.files.kept`, which :mod:`pixcodec.codec` calls. The files, each
after those that it imports (FORMAT.md, section JPEG files):

    ``parts``: a file <-> coefficients, its bytes but those of the scans, and what is odd about its scans;
    ``tables``: the Huffman tables that libjpeg makes for a scan;
    ``packing``: bytes <-> deflate with usual strings as a dictionary, or LZMA;
    ``outline``: the pieces of a file without its scans;
    ``numbers``, ``steps``, ``codes``, ``items``: the usual pieces in a few bytes;
    ``spelling``: a file without its scans -> items, ``reader``: items -> its pieces;
    ``thumbnails``: where other JPEG files are in a file;
    ``recipe``: all but the coefficients <-> bytes;
    ``kept``: a JPEG file <-> a .pxc file.
"""
