_SIGNATURE = b"\x89PNG\r\n\x1a\n"

# After the signature and the head of its first block: the width and the height, of four bytes each, and the depth.
_DEPTH = 24


def png_bits(content: bytes) -> int:
    """The bits a channel of a PNG file, 8 of any other. Pillow decodes 16 bits of colour as 8, and does not say so."""
    return content[_DEPTH] if content.startswith(_SIGNATURE) else 8
