"""Ops that learn."""
