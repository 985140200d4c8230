"""The one writer of the COCO-RLE layout."""

from ritm_model.datasets.writing.convert import ConversionOutcome, convert

__all__ = ["ConversionOutcome", "convert"]
