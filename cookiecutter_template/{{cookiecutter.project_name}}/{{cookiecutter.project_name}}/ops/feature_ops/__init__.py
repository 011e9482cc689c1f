"""Ops that prepare data for the models, and their results for the caller."""
