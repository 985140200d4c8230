"""From data sets as they are published, or as you have them, to one layout that everything here reads."""

from ritm_model.conversion.ade20k import STUFF, ade20k, read_stuff
from ritm_model.conversion.coco_lvis import coco_lvis
from ritm_model.conversion.convert import Outcome, convert, usable_cores
from ritm_model.conversion.errors import ConversionError
from ritm_model.conversion.from_coco import from_coco
from ritm_model.conversion.from_masks import LAYOUTS, from_masks
from ritm_model.conversion.from_pack import from_pack
from ritm_model.conversion.kept_out import kept_out
from ritm_model.conversion.openimages import openimages
from ritm_model.conversion.regions import About, Collection

__all__ = [
    "LAYOUTS",
    "STUFF",
    "About",
    "Collection",
    "ConversionError",
    "Outcome",
    "ade20k",
    "coco_lvis",
    "convert",
    "from_coco",
    "from_masks",
    "from_pack",
    "kept_out",
    "openimages",
    "read_stuff",
    "usable_cores",
]
