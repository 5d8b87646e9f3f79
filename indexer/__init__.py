"""The write path: walk, probe, decode, log-mel, embed, store."""
