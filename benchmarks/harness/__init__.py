"""What studies share: command line, results, training, timing and tables."""
