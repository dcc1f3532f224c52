"""Everything that can break is broken, by name; after it every upload has one receipt and one event id."""
