"""Bad inputs and attacks: each with the one answer it must get, beside ordinary inputs that must pass."""
