"""What a merger makes of two recognizers."""
