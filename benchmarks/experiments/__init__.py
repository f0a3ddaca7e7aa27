"""Experiments: problems, methods and measures by name (see ``benchmarks.run``)."""
