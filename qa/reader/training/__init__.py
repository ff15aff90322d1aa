"""Makes the reader's weights from public question sets: ``python -m qa.reader.training``."""
