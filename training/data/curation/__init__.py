"""Which photographs to train with, and what is known of those that have no labels."""
