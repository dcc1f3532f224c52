"""Measurements of each claim, one command each; nothing here is deployed."""
