"""Distribution matching distillation (DMD2): its losses, and the states that a student trains on."""
