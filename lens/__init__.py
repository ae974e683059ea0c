"""Optics without neural networks: units, depth, focus, defocus and the lens renderers.

Pure functions on tensors `[B,C,H,W]`; nothing here knows files, networks or ComfyUI.
"""
