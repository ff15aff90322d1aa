"""The passages found in, a short answer with citations out, or an honest 未找到."""
