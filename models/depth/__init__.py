"""Depth estimators behind one interface: Metric3D, Depth Anything V2 and Depth Pro."""
