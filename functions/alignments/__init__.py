"""Alignments for inputs that name none: asked of an MSA server, kept for everybody, and jobs let go on."""
