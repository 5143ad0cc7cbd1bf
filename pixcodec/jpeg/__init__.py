"""Images that a JPEG decoder made: their coefficients, found from the pixels, instead of the pixels."""
