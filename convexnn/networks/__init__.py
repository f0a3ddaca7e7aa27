"""Recovered networks: their weights, predictions and penalties."""
