"""Piano rolls: sequences of frames, each of which says which of the 88 keys sound."""
