"""What can be trained: one module for each network, with the defaults of its paper."""
