"""What people make: the audit of what they did, and later their notebooks. The dashboard alone writes it."""
