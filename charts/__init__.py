"""Frames in, Plotly figures out: pure functions that never fetch."""
