"""How good is it? Measures of retrieval and classification, taken on the path that users' searches take."""
