"""Solvers that run in processes of their own (see ``methods/processes.py``)."""
