"""Answers that were kept: snapshots and bundles."""
