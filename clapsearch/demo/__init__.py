"""Synthesised sounds and everyday questions, so that the search can be tried before any library exists."""
