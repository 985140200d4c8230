"""A run from its recipe to its model: the loop over steps, its folder, its processes."""
