"""Metric3D v2 (Hu et al. 2024): metric depth and surface normals of one picture."""
