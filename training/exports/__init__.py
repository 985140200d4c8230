"""What annotation tools export, read as it is stored, as one data set of the COCO-RLE layout."""

from training.exports.collecting import Collected, Options, collect
from training.exports.errors import ExportError
from training.whose import Whose, WhoseError

__all__ = ["Collected", "ExportError", "Options", "Whose", "WhoseError", "collect"]
