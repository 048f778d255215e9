"""Files of other tools, and of the drawing page."""
