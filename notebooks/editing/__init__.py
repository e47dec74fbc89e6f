"""A notebook that somebody changes on its page."""
