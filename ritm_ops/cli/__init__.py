"""Commands of `ritm` that need a registry or a network."""
