"""Convex programs over given cells: losses, patterns, cones, and certificates."""
