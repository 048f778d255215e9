"""Tracking: keeps the identity of a road user from frame to frame."""
