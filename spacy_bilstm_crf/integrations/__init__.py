"""Other people's tools, each behind an extra of its own."""
