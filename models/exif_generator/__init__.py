"""All-in-focus pictures from SDXL that is told the camera's EXIF (Fine-grained Defocus, F.3)."""
