"""Benchmarks: how close the estimator comes to published measurements."""
