"""What is claimed, measured: one command each; nothing here is deployed."""
