"""The neural networks, in pure torch, which the modules of this package import: no other does."""

# Characters with a row of their own; all others share the same number of rows
N_DIRECT_CHARACTERS = 1024
