"""Load and cost of ways to run predictions, simulated: ``python -m benchmarks.capacity``."""
