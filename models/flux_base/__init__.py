"""FLUX base models as people have them: files in many layouts, and ComfyUI's own models."""
