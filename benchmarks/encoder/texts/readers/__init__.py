"""One function for each format: the bytes of a file in, the paragraphs of its documents out."""

from collections.abc import Callable

Documents = list[list[str]]  # the paragraphs of each
Reader = Callable[[bytes], Documents]
