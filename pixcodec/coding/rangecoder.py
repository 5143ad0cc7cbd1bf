"""The range coder: constriction, and nothing but constriction (the only file that imports it).

A bitstream is the little-endian u32 words of constriction's ``queue.RangeEncoder``. Symbols come in
batches with one row of integer frequencies each. A row's entries are frequencies minus 1 and sum to
2**24 minus their number, which makes constriction's own quantisation exact (FORMAT.md, Range coder).
"""

from __future__ import annotations

import constriction
import numpy as np
import numpy.typing as npt

from pixcodec.errors import CorruptFileError

Symbols = npt.NDArray[np.int32]
Rows = npt.NDArray[np.float64]

# perfect=False: an exact quantiser for our rows, and a fast one; the default prints and is slow.
_FAMILY = constriction.stream.model.Categorical(perfect=False)


class Encoder:
    """Codes batches of symbols into one bitstream."""

    def __init__(self) -> None:
        self._coder = constriction.stream.queue.RangeEncoder()

    def code(self, symbols: Symbols, rows: Rows) -> Symbols:
        """Append ``symbols`` (N,) with the frequencies ``rows`` (N, S), C-contiguous; return them."""
        self._coder.encode(symbols, _FAMILY, rows)
        return symbols

    def finish(self) -> bytes:
        """Return the bitstream."""
        words: npt.NDArray[np.uint32] = self._coder.get_compressed()
        return words.astype("<u4", copy=False).tobytes()


class Decoder:
    """Reads batches of symbols from one bitstream.

    Raises
    ------
    CorruptFileError
        If the bitstream is not a whole number of words, or runs into an impossible state.
    """

    def __init__(self, bitstream: bytes) -> None:
        if len(bitstream) % 4:
            raise CorruptFileError(
                f"bitstream is {len(bitstream)} bytes long, expected a multiple of 4 (whole u32 words)"
            )
        # A last word of 0 may be one too many, which changes no symbol: only an encoder can tell.
        self._again = Encoder() if bitstream.endswith(bytes(4)) else None
        self._size_bytes = len(bitstream)
        words = np.frombuffer(bitstream, "<u4").astype(np.uint32)
        try:
            self._coder = constriction.stream.queue.RangeDecoder(words)
        except BaseException as error:
            if not _means_damage(error):
                raise
            raise CorruptFileError(f"bitstream cannot be decoded: {error}") from error

    def code(self, symbols: Symbols, rows: Rows) -> Symbols:
        """Return the next symbols (N,); ``symbols`` is ignored, so that both directions share a loop."""
        try:
            decoded: Symbols = self._coder.decode(_FAMILY, rows)
        except BaseException as error:
            if not _means_damage(error):
                raise
            raise CorruptFileError(f"bitstream cannot be decoded: {error}") from error
        if self._again is not None:
            self._again.code(decoded, rows)
        return decoded

    def finish(self) -> None:
        """Check that the bitstream has been used up.

        Raises
        ------
        CorruptFileError
            If words are left.
        """
        surplus = self._again is not None and len(self._again.finish()) < self._size_bytes
        if surplus or not self._coder.maybe_exhausted():
            raise CorruptFileError("bitstream has more words than its symbols take")


def _means_damage(error: BaseException) -> bool:
    """Return whether constriction raises this for a damaged bitstream; a Rust panic is such an error."""
    panic = type(error).__name__ == "PanicException"  # a BaseException that no module exports
    return panic or isinstance(error, AssertionError | KeyError | ValueError)
