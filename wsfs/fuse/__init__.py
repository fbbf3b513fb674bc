"""The FUSE door: bytes become text here, exceptions an errno, attributes pyfuse3's own."""
