"""A sample Celery cluster with traffic, and the local stack around it."""
