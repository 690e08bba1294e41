"""The shipped config against what `tune` finds."""
