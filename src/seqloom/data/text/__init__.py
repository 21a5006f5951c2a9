"""Text: corpora, vocabularies, cached tokens, word vectors and character n-grams."""
