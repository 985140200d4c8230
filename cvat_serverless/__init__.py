"""The predictor as a CVAT interactor: a Nuclio function and a native CVAT agent."""
