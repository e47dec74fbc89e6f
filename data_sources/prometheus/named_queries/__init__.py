"""Queries worth knowing by name: of Celery, its containers and its hosts, each with what to conclude from it."""
