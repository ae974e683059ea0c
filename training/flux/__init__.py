"""Adapters for FLUX, trained by flow matching: what DeblurNet, BokehNet and DiffCamera share."""
