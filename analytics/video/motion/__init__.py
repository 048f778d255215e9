"""The motion detector: what differs from the empty street."""
