"""What a user takes along: everything that is theirs, as a stream."""
