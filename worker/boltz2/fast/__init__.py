"""Boltz-2's own arithmetic without the work that changes no result.

Boltz's classes and weights stay as they are. Each module leaves something out, says why the result keeps its
bytes, and names the functions of Boltz 2.2.1 that this stands on (``LINES``).
"""
