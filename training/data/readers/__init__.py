"""Published datasets and plain folders, read where their authors put the files."""
