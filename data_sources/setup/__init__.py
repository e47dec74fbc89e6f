"""What is connected and what is off, and what the history is."""
