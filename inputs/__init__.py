"""The language of Boltz-2 inputs: how a file is read, checked, counted, and what it refers to."""
