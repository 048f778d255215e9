"""Video counting: from a file or a rendered scene to crossings of named lines, without keeping a frame."""
