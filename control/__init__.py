"""Steering a cluster: an order is planned, confirmed, written into the audit, given, and read back."""
