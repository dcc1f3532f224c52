"""Data that crosses a boundary, without behaviour."""
