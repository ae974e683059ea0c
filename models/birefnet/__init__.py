"""BiRefNet (Zheng et al. 2024): masks of a picture's subject in fine detail."""
