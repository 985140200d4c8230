"""Files that are taken for checkpoints and are something else: what they are, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ritm_model.mistaken import mistaken

_BEGINNINGS: tuple[tuple[bytes, str], ...] = (
    (b"<?xml", "is the answer of a server, not the file itself: download it again"),
    (b"\x89hdf", "is an HDF5 file, as Keras writes them, not a checkpoint of PyTorch"),
    (b"gguf", "is a language model in the format of llama.cpp"),
    (b"\x89png", "is an image"),
    (b"\xff\xd8\xff", "is an image"),
)
_EXPORTED = "give the checkpoint that it was made of"
_ZIP = b"pk\x03\x04"
_OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cf\xf9"  # in lower case, as what it is compared with

_OF_A_RUN = frozenset({"step", "epoch", "model", "optimiser"})
_FAMILIES: tuple[tuple[tuple[str, ...], str], ...] = (
    (("image_encoder.", "mask_decoder."), "Segment Anything (SAM)"),
    (("image_encoder.", "sam_mask_decoder."), "Segment Anything 2 (SAM 2)"),
    (("backbone.blocks.", "neck."), "SimpleClick"),
    (("layer1.", "fc."), "a ResNet that names what a picture shows"),
)
_CLASSES = {"plainvit": "SimpleClick", "segformer": "FocalClick", "hrformer": "FocalClick", "cdnet": "CDNet"}
_MODULES = {"ultralytics": "YOLO of Ultralytics", "segment_anything": "Segment Anything (SAM)"}


def by_beginning(data: bytes, *, is_safetensors: bool) -> str:
    """What a file is that cannot be a checkpoint of its name, as the end of a sentence; or nothing."""
    if not data:
        return "is empty: its download was cut off, or the disk was full"
    head = data[:200].lstrip().lower()
    for beginning, what in _BEGINNINGS:
        if head.startswith(beginning):
            return what
    if what := mistaken(data):
        return what
    if data[4:8] == b"TFL3":
        return f"is a model of TensorFlow Lite: {_EXPORTED}"
    if data[:1] == b"\x08" and b"pytorch" in head:
        return f"is an ONNX model: {_EXPORTED}"
    if head[:1] in (b"{", b"[") and not is_safetensors:
        return "is JSON, not weights: the weights stand in a file beside it"
    if is_safetensors and head.startswith((_ZIP, _OLD_TORCH)):
        return "is a file of PyTorch: give it the suffix .pth"
    if not is_safetensors and data[8:10] == b'{"' and int.from_bytes(data[:8], "little") < len(data):
        return "is a safetensors file: give it that suffix, and put its card, the .json file, beside it"
    return ""


def by_members(names: Iterable[str]) -> str:
    """What a zip is that cannot be a checkpoint, by the files in it, as the end of a sentence; or nothing."""
    files = {name.partition("/")[2] for name in names}
    if "constants.pkl" in files:
        return f"is a TorchScript model: {_EXPORTED}"
    return "" if "data.pkl" in files else "is a zip archive: unpack it first, and give the checkpoint in it"


def by_content(content: Mapping[object, object]) -> str:
    """What the content of a file is that is no interactive model, as the end of a sentence; or nothing."""
    if content.keys() >= _OF_A_RUN:
        return (
            "is the checkpoint with which a run of `ritm train` goes on; its model is model.safetensors in "
            "the same folder"
        )
    inner = content.get("model")
    return by_keys(inner if isinstance(inner, Mapping) else content)


def by_keys(keys: Iterable[object]) -> str:
    """Whose weights these are, by their names, as the end of a sentence; or nothing."""
    names = [key for key in keys if isinstance(key, str)]
    for prefixes, family in _FAMILIES:
        if all(any(name.startswith(prefix) for name in names) for prefix in prefixes):
            return f"holds weights of {family}, another network; RITM's own are listed by `ritm models list`"
    return ""


def family_of_class(name: str) -> str:
    """The family of a class of the paper's relatives, in brackets, or nothing."""
    module = name.lower()
    return next((f" ({family}, another network)" for part, family in _CLASSES.items() if part in module), "")


def family_of_module(name: str) -> str:
    """The family of a class that a pickle asks for, in brackets, or nothing."""
    return next(
        (f" ({family}, another network)" for part, family in _MODULES.items() if name.startswith(part)), ""
    )
