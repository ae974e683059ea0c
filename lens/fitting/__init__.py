"""Fit of a lens to a photograph: focus and strength of its blur."""
