"""Passages → vectors and postings → a generation on disk."""
