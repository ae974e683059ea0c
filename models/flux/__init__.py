"""FLUX with condition tokens: DeblurNet, BokehNet and DiffCamera."""
