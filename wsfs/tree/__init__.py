"""What the account looks like as a file system: nodes, names, inodes, layout. Pure and synchronous."""
