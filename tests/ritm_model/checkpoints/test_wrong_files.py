"""Files that people take for checkpoints are named as what they are, with what to do."""

from __future__ import annotations

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save as as_safetensors

from ritm_model.checkpoints import CheckpointError, load_model, resolve_model

POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a21\nsize 40000000\n"
TENSOR = torch.zeros(2, 2)
Save = Callable[..., Path]


def refusal(path: Path, **options: Any) -> str:
    with pytest.raises(CheckpointError) as caught:
        load_model(path, **options)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert message.endswith(".")
    return message


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (POINTER, "is a Git LFS pointer, not the file itself"),
        (b"\n<!DOCTYPE html><html><title>Sign in", "is a web page, not the file itself"),
        (b"<html><head>", "is a web page"),
        (b'<?xml version="1.0"?><Error><Code>AccessDenied', "is the answer of a server"),
        (b'{"message": "Not Found"}', "is JSON"),
        (gzip.compress(b"weights", mtime=0), "is a packed archive"),
        (b"", "is empty"),
        (b"\x08\x08\x12\x07pytorch\x1a", "is an ONNX model: give the checkpoint"),
        (b"\x1c\0\0\0TFL3", "is a model of TensorFlow Lite: give the checkpoint"),
        (b"GGUF\3", "is a language model"),
        (b"\x89PNG\r\n", "is an image"),
        (b"weights.txt" + b"\0" * 246 + b"ustar\0", "is a packed archive: unpack it first"),
    ],
)
@pytest.mark.parametrize("suffix", [".pth", ".pt", ".safetensors"])
def test_by_their_beginning(tmp_path: Path, data: bytes, said: str, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    if suffix == ".safetensors" and said == "is JSON":
        said = "has no card"
    assert said in refusal(path)


def test_suffixes_that_are_exchanged(tmp_path: Path, save: Save) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(as_safetensors({"a": TENSOR}))
    assert "is a safetensors file" in refusal(path)
    assert "is a file of PyTorch: give it the suffix .pth" in refusal(
        save({"a": TENSOR}, "model.safetensors")
    )


def test_weights_without_their_card(tmp_path: Path) -> None:
    path = tmp_path / "mine.safetensors"
    path.write_bytes(as_safetensors({"a": TENSOR}))
    assert "has no card: put mine.json" in refusal(path)


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (("model/readme.txt",), "is a zip archive: unpack it first"),
        (("model/data.pkl", "model/constants.pkl", "model/code/a.py"), "is a TorchScript model: give the"),
    ],
)
def test_zips_that_are_none_of_torch_save(tmp_path: Path, files: tuple[str, ...], said: str) -> None:
    path = tmp_path / "model.pt"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in files:
            archive.writestr(name, "text " * 99)
    assert said in refusal(path)


def test_a_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="is a folder: give the file of the model in it"):
        resolve_model(tmp_path)


def test_the_checkpoint_of_a_run(save: Save) -> None:
    run = {"step": 3, "epoch": 1, "model": {"a": TENSOR}, "optimiser": {}, "scaler": {}, "lines": 3}
    assert "run of `ritm train` goes on; its model is model.safetensors" in refusal(
        save(run, "checkpoint.pt")
    )


@pytest.mark.parametrize(
    ("keys", "family"),
    [
        (("image_encoder.pos_embed", "prompt_encoder.x", "mask_decoder.y"), "Segment Anything (SAM)"),
        (("image_encoder.trunk.a", "sam_mask_decoder.y"), "Segment Anything 2"),
        (("backbone.blocks.0.norm1.weight", "neck.down_4.0.weight", "head.x"), "SimpleClick"),
        (("conv1.weight", "layer1.0.conv1.weight", "fc.weight"), "ResNet"),
    ],
)
@pytest.mark.parametrize("wrapped", ["", "model", "state_dict"])
def test_weights_of_other_networks(save: Save, keys: tuple[str, ...], family: str, wrapped: str) -> None:
    state: dict[str, Any] = dict.fromkeys(keys, TENSOR)
    message = refusal(save({wrapped: state} if wrapped else state))
    assert family in message
    assert "another network" in message


def test_a_config_of_simpleclick(save: Save) -> None:
    config = {"class": "isegm.model.is_plainvit_model.PlainVitModel", "params": {}}
    assert "(SimpleClick, another network)" in refusal(save({"state_dict": {"a": TENSOR}, "config": config}))
