"""The worker over HTTP: requests in, the same predictions out."""
