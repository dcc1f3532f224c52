"""Results computed once more, and compared with the first: ``dropfold replay``."""
