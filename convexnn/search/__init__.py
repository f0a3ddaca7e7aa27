"""Training without a list of cells: descents, prices of all directions, rounds."""
