"""The page of a folder: what became of all its files, as HTML and as CSV."""
