"""What is done around a recognizer: search for settings, metrics, reports."""
