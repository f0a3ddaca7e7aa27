"""Labels ``sum_j max(w_j + x_j, 0)`` and the weights back: encoder, decoder, theory."""
