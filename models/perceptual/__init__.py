"""Networks that judge pictures: how alike two are, and the features that quality figures use."""
