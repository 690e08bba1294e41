"""What lists of names alone come to."""
