"""Stable Diffusion XL (Podell et al. 2023): what all models made of it share."""
