"""Photographs and depth maps as files: reading and saving pixels, EXIF and depth.

What a file holds is never trusted: whatever is broken or missing becomes a problem in words or an
error that names the file. Import the modules: `photo.photo` and `photo.saving` for photographs,
`photo.depth_files` for depth maps, `photo.exif` for camera data, `photo.embedded_depth` for depth
inside photographs.
"""
