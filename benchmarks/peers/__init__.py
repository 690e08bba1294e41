"""One comparison: ours and other recognizers, on the same data, on one machine."""
