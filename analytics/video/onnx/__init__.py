"""Detectors in ONNX files: what they say of themselves, how they are fed and read, and where installed ones lie."""
