"""The scans of JPEG files: their bits <-> coefficients, exactly as in the file.

The files, each after those that it imports:

    ``markers``: the segments of a file: frame, scans, tables;
    ``huffman``: Huffman tables -> codes, and a table to look symbols up in;
    ``work``: what the kernels of both directions share;
    ``reading``: the bits of a scan -> coefficients (kernel);
    ``writing``: coefficients -> the bits of a scan (kernel).
"""
