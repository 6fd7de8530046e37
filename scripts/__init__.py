"""Programs around the repository: what CI runs, and the documents that are generated."""
