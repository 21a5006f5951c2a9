"""Models that write about a picture: recurrent decoders and a Transformer over the map of an encoder."""
