"""Who asks: told once, by the guard, for pages and routes alike. Knows no Streamlit."""

from identity.person import HEADER, NOBODY, Person, of_headers, to_header

__all__ = ["HEADER", "NOBODY", "Person", "of_headers", "to_header"]
