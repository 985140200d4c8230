"""Regions of a photograph that look alike, as objects to learn from where nobody has annotated parts.

Who learns from whole objects alone answers every click with a whole object, and does not heed the clicks
that say otherwise. Shapes: H x W the image, N pixels, K regions.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from ritm_model.datasets.layers import Instance
from ritm_model.learning.scene import Scene

CLUSTERS = (3, 8)  # bounds of their number
PLACE_WEIGHT = (0.2, 1.0)  # bounds of what the place of a pixel counts against its colour
LEAST_SHARE = 0.005  # of the image: smaller regions belong to nothing
MOST_REGIONS = 20
STOP = (cv2.TERM_CRITERIA_MAX_ITER, 6, 0.0)


def with_regions(scene: Scene, random: np.random.Generator) -> Scene:
    """Ask for regions of the scene in place of its objects.

    Args:
        scene: of which only the image and the ignored pixels are used.
        random: draws how many clusters of colour and place there are, and where they begin.
    """
    height, width = scene.size
    lab_HW3 = cv2.cvtColor(cv2.GaussianBlur(scene.image_HW3, (0, 0), 1.5), cv2.COLOR_RGB2LAB)
    colours_N3 = lab_HW3.reshape(-1, 3).astype(np.float32)
    places_N2 = np.indices((height, width), np.float32).reshape(2, -1).T * (128 / max(height, width))
    features_N5 = np.hstack([colours_N3, places_N2 * random.uniform(*PLACE_WEIGHT)])
    clusters = int(random.integers(CLUSTERS[0], CLUSTERS[1] + 1))
    starts_N1 = random.integers(clusters, size=(len(features_N5), 1)).astype(np.int32)
    seeds_K5 = features_N5[random.choice(len(features_N5), clusters, replace=False)]
    starts_N1[:, 0] = ((features_N5[:, None] - seeds_K5) ** 2).sum(2).argmin(1)
    _, labels_N1, _ = cv2.kmeans(features_N5, clusters, starts_N1, STOP, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    clusters_HW = cv2.medianBlur(labels_N1.reshape(height, width).astype(np.uint8), 5)

    layer_HW = np.zeros((height, width), np.uint8)
    found = 0
    for cluster in range(clusters):
        count, parts_HW, facts, _ = cv2.connectedComponentsWithStats(
            (clusters_HW == cluster).astype(np.uint8)
        )
        for part in range(1, count):
            if facts[part, cv2.CC_STAT_AREA] >= LEAST_SHARE * layer_HW.size and found < MOST_REGIONS:
                found += 1
                layer_HW[parts_HW == part] = found
    layer_HW[scene.ignored_HW] = 0
    instances = tuple(Instance(0, value) for value in range(1, found + 1))
    return replace(scene, layers_LHW=layer_HW[None], instances=instances, parents={}, areas=None)
