"""What smaller word vectors cost."""
