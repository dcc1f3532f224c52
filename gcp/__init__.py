"""The only imports of Google's clients: ledger, objects, topics, runs."""
