"""The only imports of Google's clients: ledger, storage, pubsub, cloud_run, service, and what they share."""
