"""Where the bits of a .pxc file go: of each pixel, channel, layer, tile and block."""
