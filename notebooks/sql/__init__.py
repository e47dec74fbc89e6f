"""SQL over the answers of a notebook's other cells."""
