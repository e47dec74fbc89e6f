"""Answers in, the sentence that matters out: pure functions that never fetch."""
