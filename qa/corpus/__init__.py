"""Files come in; documents, and then the passages that they are cut into, go out."""
