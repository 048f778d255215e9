"""A rendered network of sensors whose truth is known: what the streets were like, what was sent, and which sensor lied when."""
