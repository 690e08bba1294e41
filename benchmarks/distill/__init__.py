"""What a slow model teaches a fast one."""
