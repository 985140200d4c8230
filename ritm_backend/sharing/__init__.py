"""What the workers of a server, and servers behind one address, tell each other."""
