"""Records as COCO files have them, and what became of them."""

import numpy as np
from pycocotools import mask as coco


def instances(annotations, images=None, **more):
    images = images or [{"id": 1, "file_name": "a.jpg", "height": 30, "width": 40}]
    categories = [{"id": 7, "name": "cell", "isthing": 1}]
    annotations = [
        {"id": 100 + number, "image_id": 1, "category_id": 7, **annotation}
        for number, annotation in enumerate(annotations)
    ]
    return {"images": images, "annotations": annotations, "categories": categories, **more}


def packed(mask):
    return coco.encode(np.asfortranarray(mask))


def reasons(dataset, *, by_rule=False):
    return [problem.reason for problem in dataset.problems if problem.by_rule == by_rule]
