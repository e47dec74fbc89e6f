"""Snapshots: pages as they were, who kept them and until when."""

from cells.snapshot_list import snapshot_list

snapshot_list()
