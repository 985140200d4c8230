"""One learning step: simulated clicks, losses, the optimiser, and what is counted on the way."""
