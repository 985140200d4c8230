"""Click-based interactive segmentation after "Reviving Iterative Training with Mask Guidance"."""
