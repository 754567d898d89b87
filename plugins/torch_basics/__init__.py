"""Plain torch as components: optimizers, schedules, cross-entropy, a linear head."""
