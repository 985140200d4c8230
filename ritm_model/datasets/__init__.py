"""Data sets with objects to click on: the paper's benchmarks, and your own images and masks."""

from ritm_model.datasets.layouts import DATASETS, Layout
from ritm_model.datasets.places import (
    Place,
    Roots,
    find_dataset,
    open_collection,
    open_dataset,
    parse_roots,
    read_roots,
)
from ritm_model.datasets.problems import BrokenFileError, DatasetError, Problem
from ritm_model.datasets.samples import Dataset, Sample

__all__ = [
    "DATASETS",
    "BrokenFileError",
    "Dataset",
    "DatasetError",
    "Layout",
    "Place",
    "Problem",
    "Roots",
    "Sample",
    "find_dataset",
    "open_collection",
    "open_dataset",
    "parse_roots",
    "read_roots",
]
