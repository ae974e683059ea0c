"""Neural networks: architectures under their published names, and how users' weights are loaded."""
