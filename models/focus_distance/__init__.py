"""The focus distance transformer (Fine-grained Defocus): where a photographer would focus."""
