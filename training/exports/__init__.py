"""What annotation tools export, read as it is stored, as one data set of the COCO-RLE layout."""

from training.exports.collecting import Collected, Options, collect
from training.exports.errors import ExportError, NoLabelsError
from training.whose import Whose, WhoseError

__all__ = ["Collected", "ExportError", "NoLabelsError", "Options", "Whose", "WhoseError", "collect"]
