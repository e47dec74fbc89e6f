"""What pages are written with: cells as values, the controls they share, and the showing of both."""
