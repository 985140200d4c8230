"""What CVAT and other tools export: one reader for each layout."""
