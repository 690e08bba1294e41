"""The neural networks, in torch alone."""
