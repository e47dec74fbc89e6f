"""A notebook as a value, as a file, as a link; and how it runs, with and without a browser."""
