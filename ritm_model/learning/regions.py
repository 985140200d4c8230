"""Regions of a photograph that look alike, as objects to learn from where nobody has annotated parts.

Who learns from whole objects alone answers every click with a whole object, and does not follow the clicks
that say otherwise. Shapes: H x W the image, N pixels, M of them, K clusters.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt

from ritm_model.datasets.layers import Instance
from ritm_model.learning.scene import Scene

CLUSTERS = (3, 8)  # bounds of their number
PLACE_WEIGHT = (0.2, 1.0)  # bounds of what the place of a pixel counts against its colour
LEAST_SHARE = 0.005  # of the image: smaller regions belong to nothing
MOST_REGIONS = 20
SAMPLED_PIXELS = 4096  # that the clusters are found with
STOP = (cv2.TERM_CRITERIA_MAX_ITER, 6, 0.0)

Features = npt.NDArray[np.float32]  # of pixels: colour and place


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
    some_M5 = features_N5[random.integers(len(features_N5), size=SAMPLED_PIXELS)]
    starts_M1 = _nearest(some_M5, some_M5[:clusters])[:, None]
    _, _, centres_K5 = cv2.kmeans(some_M5, clusters, starts_M1, STOP, 1, cv2.KMEANS_USE_INITIAL_LABELS)
    labels_N = _nearest(features_N5, centres_K5.astype(np.float32))
    clusters_HW = cv2.medianBlur(labels_N.reshape(height, width).astype(np.uint8), 5)

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


def _nearest(features_N5: Features, centres_K5: Features) -> npt.NDArray[np.int32]:
    """Which centre is nearest to each of the features."""
    squares_K = (centres_K5**2).sum(1)
    nearest_N: npt.NDArray[np.int32] = (squares_K - 2 * features_N5 @ centres_K5.T).argmin(1).astype(np.int32)
    return nearest_N
