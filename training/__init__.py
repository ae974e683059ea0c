"""Training of the project's own networks: scenes, degradations and recipes. Needs no ComfyUI."""
