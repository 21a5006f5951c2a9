"""Text: a corpus, its vocabulary, its tokens on disk, and pretrained word vectors."""
