"""Pictures to train and measure with: readers of published datasets, simulation, curation."""
