"""Stand-ins for Google Cloud on a laptop. Never shipped."""
