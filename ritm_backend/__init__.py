"""HTTP service: the Label Studio machine-learning backend."""
