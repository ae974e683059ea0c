"""Blurred pictures whose depth, focus and strength are known, made from sharp ones."""
