"""What is asked of a trained recogniser: how good it is, where it fails, what it may miss."""
