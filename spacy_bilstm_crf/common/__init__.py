"""What every room may use. It imports nothing else of the package."""
