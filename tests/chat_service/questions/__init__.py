"""The search index, questions, and conversations."""
