"""One queue."""
