"""What crosses a boundary; data only."""
