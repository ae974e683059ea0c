"""Refocusing with FLUX: DeblurNet, BokehNet and DiffCamera on pictures of any size."""
