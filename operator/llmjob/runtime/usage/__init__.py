"""Actual use: asked of Prometheus, kept for every role, written into the jobs' status."""
