"""Quality control of readings: the manual's tests, and what real networks do beyond it."""
