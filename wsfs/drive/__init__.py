"""What the drive does, in plain terms and without FUSE: the one place where tree, catalog, content and uploads meet."""
