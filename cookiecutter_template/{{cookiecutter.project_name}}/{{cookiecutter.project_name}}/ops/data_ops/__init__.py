"""Ops that bring data in."""
