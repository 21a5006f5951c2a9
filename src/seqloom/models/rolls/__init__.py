"""Models of piano rolls: what sounds in each frame, of the frames before."""
