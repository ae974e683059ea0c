"""What trains BokehDiff: its losses, its discriminator and its networks with an adapter."""
