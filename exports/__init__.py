"""An answer as a file: CSV, JSON, and what is to be known of either."""
