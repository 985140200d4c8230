"""Learning: from photographs with masks and a recipe to weights."""
