"""Files that are right, and that Boltz 2.2.1 reads wrong or not at all, as it has to have them."""
