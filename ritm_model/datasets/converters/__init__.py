"""From data sets as they are published, or as you have them, to one layout that everything here reads."""

from ritm_model.datasets.converters.ade20k import STUFF, ade20k, read_stuff
from ritm_model.datasets.converters.coco_lvis import coco_lvis
from ritm_model.datasets.converters.from_coco import from_coco
from ritm_model.datasets.converters.from_masks import LAYOUTS, from_masks
from ritm_model.datasets.converters.from_pack import from_pack
from ritm_model.datasets.converters.open_images import open_images

__all__ = [
    "LAYOUTS",
    "STUFF",
    "ade20k",
    "coco_lvis",
    "from_coco",
    "from_masks",
    "from_pack",
    "open_images",
    "read_stuff",
]
