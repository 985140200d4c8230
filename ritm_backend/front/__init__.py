"""How requests come in: read and written beside the threads that answer them, each step with a deadline."""
