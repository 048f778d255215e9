"""A check made to be looked at."""
