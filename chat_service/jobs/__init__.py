"""Jobs: ordered work, from the reservation of its coins to their settlement."""
