"""BokehDiff (Zhu et al. 2025): lens blur in one step of a diffusion model."""
