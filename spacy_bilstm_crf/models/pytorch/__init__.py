"""The neural networks, in pure torch."""
