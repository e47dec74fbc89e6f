"""The process that samples, follows events and writes the history."""
