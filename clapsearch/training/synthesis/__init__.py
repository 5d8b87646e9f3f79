"""Captioned sounds with captions that a training starts from."""
