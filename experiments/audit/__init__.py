"""Audits: what a sample counted by hand says of every count."""
