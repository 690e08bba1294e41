"""What raw text is worth."""
