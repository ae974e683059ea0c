"""How a training runs: optimizers, steps, checkpoints, logs; whatever is trained."""
