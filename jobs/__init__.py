"""The state machine of jobs, and the effects of their changes."""
