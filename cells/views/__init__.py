"""Frames laid out as tables and facts: which of it people read, and in which form."""
