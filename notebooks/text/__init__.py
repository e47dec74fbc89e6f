"""A notebook as text: a file, and a link."""
