"""Samples as solvers see them, patches of inputs, and data sets."""
