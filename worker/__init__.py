"""The GPU worker: lease, claim, prepare, predict, deliver, settle, until idle."""
