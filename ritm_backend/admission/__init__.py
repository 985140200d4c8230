"""Who may ask a server, and under which names: what the heads of requests decide."""
