"""Time and memory, beside those of other libraries."""
