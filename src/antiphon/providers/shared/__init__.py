"""What the codecs have in common: telling what went wrong, and mending what can be mended."""
