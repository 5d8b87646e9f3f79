"""Training: from captioned sounds to a checkpoint that ``clapsearch index`` opens."""
