"""The page that shows a prediction to a person: self-contained, offline."""
