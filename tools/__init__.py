"""Writers of documents, locks and bundles from the code; never shipped."""
