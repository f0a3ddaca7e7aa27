"""Benchmarks: problems, methods, and experiments that put them side by side."""
