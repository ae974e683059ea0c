"""DMD2 (distribution matching): its losses, and the states that a student trains on."""
