"""Prometheus: its client, the PromQL we ask, and what there is to ask of it."""
