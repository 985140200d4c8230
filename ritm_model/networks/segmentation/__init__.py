"""Segmentation networks by themselves: from a normalised image and features of clicks to logits."""
