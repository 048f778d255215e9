"""What the rendered street is made of: its layout, who walks and rides there, its trees, and how they look."""
