"""Tasks: what ran, failed, waits?"""
