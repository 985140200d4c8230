"""The one writer of the COCO-RLE layout."""

from ritm_model.datasets.writing.convert import ConversionOutcome, convert, usable_cores

__all__ = ["ConversionOutcome", "convert", "usable_cores"]
