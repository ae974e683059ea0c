"""The project's own edge network: it puts the edges of a defocus map where the picture has them."""
