"""What every module may use. It imports nothing else of the package."""
