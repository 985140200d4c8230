"""Every format that masks come and go in."""
