"""Annotated docs and raw texts, in files of many formats."""
