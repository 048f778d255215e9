"""Sensors beside a reference: how far they agree, how they are calibrated, and whether they meet published targets."""
