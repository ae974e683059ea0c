"""BokehMe (Peng et al. 2022) in full: its networks repair the classical scatter at depth edges."""
