"""Kinds of source: files, folders of images, streams; read ahead, and honest about what was not seen."""
