"""Boltz-2: one room for all that imports torch and boltz."""
