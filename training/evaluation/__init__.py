"""Evaluation: metrics, benchmarks of the literature and of our own, tables, plots and sheets."""
