"""Annotations of other tools as outlines: LabelMe, VGG Image Annotator, YOLO."""
