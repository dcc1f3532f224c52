"""Cloud Functions: take uploads in, start workers, sweep up."""
