"""Rows on their way through the gate: read, cast, numbered, parted, put back."""
