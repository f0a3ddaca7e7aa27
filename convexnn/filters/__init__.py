"""One shared filter: its relaxation, the backends of it, training and refinement."""
