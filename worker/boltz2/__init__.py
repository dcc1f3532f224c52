"""Boltz-2's own code and weights: the only room that imports torch and boltz."""
