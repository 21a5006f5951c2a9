"""CTC decoding (connectionist temporal classification): greedy, and prefix beam search."""
