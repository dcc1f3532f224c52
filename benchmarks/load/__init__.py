"""Ten thousand files through the whole local stack: ``python -m benchmarks.load``."""
