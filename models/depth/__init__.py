"""Depth estimators behind one interface: Depth Anything V2 and Depth Pro."""
