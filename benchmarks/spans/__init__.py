"""Entities that overlap, beside other recognizers."""
