"""Which photographs to label next: measures that need a model and no truth, and orders made of them."""
