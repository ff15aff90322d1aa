"""A question in, the passages that may answer it out."""
