"""All layouts as data: what lies where, who publishes it, how it is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from ritm_model.datasets.photograph import Collection
from ritm_model.datasets.readers.ade20k import ade20k
from ritm_model.datasets.readers.coco import coco_instances
from ritm_model.datasets.readers.coco_lvis import coco_lvis
from ritm_model.datasets.readers.coco_panoptic import coco_panoptic
from ritm_model.datasets.readers.coco_rle import coco_rle
from ritm_model.datasets.readers.folders import (
    anything_painted,
    label_maps,
    numbered_masks,
    one_mask_each,
    three_grey_levels,
)
from ritm_model.datasets.readers.lvis import lvis
from ritm_model.datasets.readers.open_images import open_images
from ritm_model.datasets.readers.outlines.labelme import labelme
from ritm_model.datasets.readers.outlines.via import via
from ritm_model.datasets.readers.outlines.yolo import yolo
from ritm_model.datasets.readers.pascal_voc import pascal_voc
from ritm_model.datasets.readers.sbd import sbd, sbd_training

CLICK_RELEASES = "the releases page of SamsungLabs/fbrs_interactive_segmentation on GitHub"
RITM_RELEASES = "the releases page of SamsungLabs/ritm_interactive_segmentation on GitHub"


@dataclass(frozen=True, slots=True)
class Layout:
    """A way to lay out a data set.

    Attributes:
        about: what one sample is.
        layout: files and folders below its root, " or " between two names for one; {split} is filled in.
        source: where the public one comes from, in words; nothing for layouts of your own data.
        read: lists the photographs below a root, given a split.
        split: the one that is read unless another is named; nothing where there are none, or all is read.
        has_splits: whether another one can be named.
        split_layout: what replaces `layout` for splits of a different kind.
        config_keys: names of its root in configuration files of the paper's code.
    """

    about: str
    layout: tuple[str, ...]
    source: str
    read: Callable[[Path, str], Collection] = field(repr=False)
    split: str = ""
    has_splits: bool = True
    split_layout: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    config_keys: tuple[str, ...] = ()

    def files(self, split: str) -> tuple[str, ...]:
        """What must be there for a split, relative to the root."""
        return tuple(name.format(split=split) for name in self.split_layout.get(split, self.layout))


def _grabcut(root: Path, _split: str) -> Collection:
    return one_mask_each(root, "data_GT", "boundary_GT", three_grey_levels)


def _berkeley(root: Path, _split: str) -> Collection:
    return one_mask_each(root, "images", "masks", three_grey_levels)


def _davis(root: Path, _split: str) -> Collection:
    return one_mask_each(root, "img", "gt", anything_painted)


_SBD_LAYOUT = ("{split}.txt", "img", "inst")
_VOC_LAYOUT = ("JPEGImages", "SegmentationObject", "ImageSets/Segmentation/{split}.txt")
_SBD_SOURCE = "the Semantic Boundaries Dataset, from the Berkeley computer vision group's page"

DATASETS: Mapping[str, Layout] = MappingProxyType(
    {
        "GrabCut": Layout(
            about="one object an image, 50 images; 128 in the mask is ignored",
            layout=("data_GT", "boundary_GT"),
            source=f"GrabCut.zip on {CLICK_RELEASES}",
            read=_grabcut,
            has_splits=False,
            config_keys=("GRABCUT_PATH",),
        ),
        "Berkeley": Layout(
            about="one object an image, 100 samples; 128 in the mask is ignored",
            layout=("images", "masks"),
            source=f"Berkeley.zip on {CLICK_RELEASES}",
            read=_berkeley,
            has_splits=False,
            config_keys=("BERKELEY_PATH",),
        ),
        "DAVIS": Layout(
            about="345 frames of films; everything painted in the mask is one object",
            layout=("img", "gt"),
            source=f"DAVIS.zip on {CLICK_RELEASES}",
            read=_davis,
            has_splits=False,
            config_keys=("DAVIS_PATH",),
        ),
        "COCO_MVal": Layout(
            about="800 objects of COCO; everything painted in the mask is one object",
            layout=("img", "gt"),
            source=f"COCO_MVal.zip on {CLICK_RELEASES}",
            read=_davis,
            has_splits=False,
            config_keys=("COCO_MVAL_PATH",),
        ),
        "SBD": Layout(
            about="every object of every image: 6671 objects of 2857 images",
            layout=_SBD_LAYOUT,
            source=_SBD_SOURCE,
            read=sbd,
            split="val",
            config_keys=("SBD_PATH",),
        ),
        "SBD_Train": Layout(
            about="the training images of SBD, every object but mere outlines",
            layout=_SBD_LAYOUT,
            source=_SBD_SOURCE,
            read=sbd_training,
            split="train",
            config_keys=("SBD_PATH",),
        ),
        "PascalVOC": Layout(
            about="the objects that test.pickle names; of other splits (PascalVOC:val), every object; of "
            "PascalVOC:all, every mask; of a list (own=PascalVOC:lists/train.txt), the images in it",
            layout=_VOC_LAYOUT,
            source="VOCtrainval of 2012 on the Pascal VOC page; test.pickle is the paper's choice of "
            "objects, which was not published: PascalVOC:val needs none",
            read=pascal_voc,
            split="test",
            split_layout={
                "test": (*_VOC_LAYOUT[:2], "ImageSets/Segmentation/test.pickle"),
                "all": _VOC_LAYOUT[:2],
            },
            config_keys=("PASCALVOC_PATH",),
        ),
        "COCO": Layout(
            about="every annotation that is no crowd, of any file in COCO's format "
            "(own=COCO:instances.json) or of COCO's folder",
            layout=("annotations/instances_{split}.json", "{split}"),
            source="cocodataset.org: images and annotations of 2017",
            read=coco_instances,
            split="val2017",
            config_keys=("COCO_PATH",),
        ),
        "COCO_Panoptic": Layout(
            about="every thing that is no crowd, of any panoptic file (own=COCO_Panoptic:panoptic.json) "
            "or of COCO's folder; stuff is left out",
            layout=("annotations/panoptic_{split}.json", "annotations/panoptic_{split}", "{split}"),
            source="cocodataset.org: images and panoptic annotations of 2017",
            read=coco_panoptic,
            split="val2017",
            config_keys=("COCO_PATH",),
        ),
        "LVIS": Layout(
            about="every annotation as it remains visible, in the order of the file, of any file of LVIS "
            "(own=LVIS:lvis.json) or of its folder",
            layout=(
                "{split}/lvis_{split}.json or {split}/lvis_v1_{split}.json",
                "{split}/images or {split}2017 or train/images or train2017",
            ),
            source="lvisdataset.org: annotations; cocodataset.org: images of 2017",
            read=lvis,
            split="val",
            config_keys=("LVIS_PATH", "LVIS_v1_PATH"),
        ),
        "COCO_LVIS": Layout(
            about="every object of the combined annotations, and its parts; stuff is left out; only images "
            "whose ids are in <split>/allow_list.json, where there is such a list",
            layout=("{split}/hannotation.pickle", "{split}/masks", "{split}/images"),
            source=f"cocolvis_annotation.tar.gz on {RITM_RELEASES}; cocodataset.org: images of 2017",
            read=coco_lvis,
            split="val",
            config_keys=("LVIS_v1_PATH", "LVIS_PATH"),
        ),
        "ADE20k": Layout(
            about="every object and part of every layer; stuff is left out",
            layout=("{split}-annotations-object-segmentation.pkl",),
            source="the ADE20K page of MIT's computer vision group (full data set of 2016); the pickle is "
            "written by the converter of the paper's code",
            read=ade20k,
            split="val",
            config_keys=("ADE20K_PATH",),
        ),
        "OpenImages": Layout(
            about="every mask, image and mask shrunk to the size they share",
            layout=(
                "{split}/{split}-annotations-object-segmentation_clean.pkl",
                "{split}/images",
                "{split}/masks",
            ),
            source="the Open Images page (segmentations); the pickle is written by the converter of the "
            "paper's code",
            read=open_images,
            split="val",
            config_keys=("OPENIMAGES_PATH",),
        ),
        "coco_rle": Layout(
            about="what `ritm dataset` writes: every object, and its parts; stuff is left out; of a split "
            "(own:val), the images that name it",
            layout=("annotations.json", "images"),
            source="",
            read=coco_rle,
        ),
        "labelme": Layout(
            about="JSON files of LabelMe, beside the photographs or not; shapes of a group are one object; "
            "of a split (own:val), those in a folder of its name. Boxes are no masks",
            layout=("**/*.json",),
            source="",
            read=labelme,
        ),
        "via": Layout(
            about="a JSON file of VGG Image Annotator (own=via:a.json), or those in a folder; boxes are "
            "no masks",
            layout=("**/*.json",),
            source="",
            read=via,
        ),
        "yolo": Layout(
            about="text files of YOLO with polygons, in labels/ or beside the photographs; of a split "
            "(own:val), those in a folder of its name. Boxes are no masks",
            layout=("**/*.txt",),
            source="",
            read=yolo,
        ),
        "images_dir": Layout(
            about="your images with masks <stem>.*, <stem>_<number>.* or <stem>_mask.*, one white object "
            "each; 128 is ignored",
            layout=("images or .", "masks or ."),
            source="",
            read=numbered_masks,
        ),
        "labels": Layout(
            about="your images with masks <stem>.* or <stem>_<anything>.* that number the objects; "
            "255 is ignored in masks of 8 bits",
            layout=("images or .", "masks or ."),
            source="",
            read=label_maps,
        ),
    }
)
