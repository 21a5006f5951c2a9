"""Music: tunes as notes with their bars; MIDI files, piano rolls, sounds and pictures of them."""
