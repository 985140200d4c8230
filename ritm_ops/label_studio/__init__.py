"""Label Studio as services see it: what it stores, its REST API, and the tokens that it takes."""
