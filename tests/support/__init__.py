"""What tests share, each once: stand-ins in memory, made-up inputs and results, and how tests wait."""
