"""Files that mean harm, or are simply not checkpoints: one sentence, nothing executed, nothing allocated."""

from __future__ import annotations

import io
import os
import pickle
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from ritm_model.checkpoints import CheckpointError, architecture, load_model, save_model
from ritm_model.networks import InteractiveModel

Official = Callable[[str], dict[str, Any]]
Save = Callable[..., Path]


class Payload:
    """Unpickles into a call that makes a file."""

    def __init__(self, victim: Path) -> None:
        self.victim = victim

    def __reduce__(self) -> tuple[object, ...]:
        return os.system, (f"touch {self.victim}",)


def refusal(path: Path, **options: Any) -> str:
    """Load `path`, which must fail with one sentence on one line; give that sentence."""
    with pytest.raises(CheckpointError) as caught:
        load_model(path, **options)
    message = str(caught.value)
    assert message.isprintable()
    assert len(message) < 1000
    assert message.endswith(".")
    assert "weights_only" not in message  # PyTorch's own advice is to switch the protection off
    return message


@pytest.mark.parametrize("zipped", [True, False])
def test_a_pickle_payload_is_not_executed(tmp_path: Path, save: Save, zipped: bool) -> None:
    victim = tmp_path / "touched"
    path = save({"state_dict": Payload(victim)}, _use_new_zipfile_serialization=zipped)
    assert "nothing was executed" in refusal(path)
    assert not victim.exists()
    with path.open("rb") as file:  # the payload is real: without protection it strikes
        torch.load(file, weights_only=False)
    assert victim.exists()


def test_a_payload_beside_a_good_checkpoint_is_not_executed(
    tmp_path: Path, official: Official, save: Save
) -> None:
    victim = tmp_path / "touched"
    message = refusal(save({**official("h18s_itm"), "extra": Payload(victim)}))
    assert "asks for 'posix.system'" in message or "asks for 'nt.system'" in message
    assert not victim.exists()


def test_a_pickled_module_is_told_by_its_class(save: Save) -> None:
    assert "asks for 'torch.nn.modules.linear.Linear'" in refusal(save(torch.nn.Linear(2, 2)))


def test_a_bare_pickle_is_not_a_checkpoint(tmp_path: Path) -> None:
    victim = tmp_path / "touched"
    path = tmp_path / "model.pth"
    path.write_bytes(pickle.dumps(Payload(victim)))
    assert "is not a PyTorch checkpoint" in refusal(path)
    assert not victim.exists()


@pytest.mark.parametrize(
    "name", ["os.system", "isegm.model.is_plainvit_model.PlainVitModel", "", "x" * 10_000]
)
def test_an_unknown_class_is_looked_up_and_not_imported(official: Official, save: Save, name: str) -> None:
    content = official("h18s_itm")
    content["config"]["class"] = name
    message = refusal(save(content))
    assert f"'{name[:100]}'" in message
    assert "isegm.model.is_hrnet_model.HRNetModel" in message
    assert len(message) < 600


@pytest.mark.parametrize("name", ["\x1b[2J\n", "x" * 10_000])
def test_names_in_a_file_cannot_play_with_the_terminal(official: Official, save: Save, name: str) -> None:
    param = {"type": "builtin", "value": 1, "specified": True}
    for change in (
        {"class": name},
        {"params": {name: param}},
        {"params": {name: 3}},
        {"params": {"norm_layer": {**param, "value": name}}},
        {"params": {"backbone_lr_mult": {**param, "value": name}}},
    ):
        content = official("h18s_itm")
        content["config"].update(change)
        refusal(save(content))
    refusal(save({**official("h18s_itm")["state_dict"], name: torch.zeros(1)}), architecture="hrnet18s-itm")
    refusal(save({name: 3}))


def test_random_damage_never_gets_past_the_reader(tmp_path: Path) -> None:
    file = io.BytesIO()
    small = {"state_dict": {"a.weight": torch.ones(3, 4)}, "config": {"class": "os.system", "params": {}}}
    torch.save(small, file)
    whole = file.getvalue()
    random = np.random.RandomState(0)
    path = tmp_path / "model.pth"
    for _ in range(600):
        data = bytearray(whole)
        for at in random.randint(0, len(data), random.randint(1, 6)):
            data[at] = random.randint(256)
        path.write_bytes(data[: random.randint(len(data))] if random.random_sample() < 0.2 else data)
        refusal(path)


@pytest.mark.parametrize(
    "config",
    [
        None,
        [],
        "HRNetModel",
        {},
        {"class": "isegm.model.is_hrnet_model.HRNetModel"},
        {"class": 3, "params": {}},
        {"class": "isegm.model.is_hrnet_model.HRNetModel", "params": []},
        {"class": "isegm.model.is_hrnet_model.HRNetModel", "params": {"width": 18}},
        {"class": "isegm.model.is_hrnet_model.HRNetModel", "params": {"width": {"value": 18}}},
        {1: 2},
    ],
)
def test_a_config_of_another_kind_is_told(official: Official, save: Save, config: object) -> None:
    assert "unknown kind of config" in refusal(save({**official("h18s_itm"), "config": config}))


def test_a_bottomless_config_is_told(official: Official, save: Save) -> None:
    nested: list[object] = []
    nested.append(nested)
    content = {"state_dict": {"a": torch.zeros(1)}, "config": nested}
    assert "nested too deeply" in refusal(save(content))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("width", 10**9),
        ("width", 0),
        ("width", -18),
        ("width", 10**30),
        ("width", "18"),
        ("width", True),
        ("width", [18]),
        ("ocr_width", 10**9),
        ("norm_radius", 10**400),
        ("norm_radius", float("nan")),
        ("norm_mean_std", [[10**400] * 3, [1, 1, 1]]),
        ("norm_mean_std", [[0.5] * 10, [0.5] * 10]),
    ],
)
def test_absurd_parameters_are_refused(official: Official, save: Save, name: str, value: object) -> None:
    content = official("h18s_itm")
    content["config"]["params"][name] = {"type": "builtin", "value": value, "specified": True}
    refusal(save(content))


def test_nothing_is_allocated_for_a_network_that_the_file_does_not_fill(
    official: Official, save: Save, monkeypatch: pytest.MonkeyPatch
) -> None:
    devices = []
    build = architecture.build

    def watched(family: str, params: dict[str, object]) -> InteractiveModel:
        devices.append(torch.get_default_device().type)
        return build(family, params)

    monkeypatch.setattr(architecture, "build", watched)
    content = official("h18s_itm")
    content["config"]["params"]["width"]["value"] = 128  # legal, and two gigabytes of weights
    assert "of another shape" in refusal(save(content))
    assert devices == ["meta"]


def test_huge_shapes_over_a_small_storage_are_refused(official: Official, save: Save) -> None:
    content = official("h18s_itm")
    content["state_dict"]["feature_extractor.conv1.weight"] = torch.zeros(1).expand(10**5, 10**5, 3, 3)
    assert "of another shape (feature_extractor.conv1.weight 100000x100000x3x3" in refusal(save(content))


@pytest.mark.parametrize(
    "tensor",
    [
        torch.zeros(64, 3, 3, 3).to_sparse(),
        torch.zeros(64, 3, 3, 3, dtype=torch.complex64),
        torch.zeros(64, 3, 3, 3, dtype=torch.int64),
        torch.zeros(64, 3, 3, 3, device="meta"),
    ],
    ids=["sparse", "complex", "integer", "without data"],
)
def test_tensors_of_another_kind_are_refused(official: Official, save: Save, tensor: torch.Tensor) -> None:
    content = official("h18s_itm")
    content["state_dict"]["feature_extractor.conv1.weight"] = tensor
    refusal(save(content))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (3, "holds a int"),
        ("text", "holds a str"),
        (None, "holds a NoneType"),
        (torch.zeros(3), "holds a Tensor"),
        ({}, "no state dict"),
        ({"state_dict": None}, "no state dict"),
        ({"state_dict": {}}, "no state dict"),
        ({"state_dict": {"a": 3}}, "'a' is a int"),
        ({"state_dict": {3: torch.zeros(1)}}, "'3' is a Tensor"),
        ({"a": "b"}, "'a' is a str"),
        ([], "multi-stage"),
    ],
)
def test_other_things_that_torch_can_save_are_told_apart(save: Save, content: object, why: str) -> None:
    assert why in refusal(save(content))


@pytest.mark.parametrize("keep", [4, 1000, 0.5, 0.999])
def test_a_truncated_file_is_told(tmp_path: Path, pth_bytes: bytes, keep: float) -> None:
    path = tmp_path / "model.pth"
    path.write_bytes(pth_bytes[: int(keep if keep > 1 else keep * len(pth_bytes))])
    assert "cut off or damaged" in refusal(path)


def test_a_truncated_old_file_is_told(tmp_path: Path, official: Official, save: Save) -> None:
    path = save(official("h18s_itm"), _use_new_zipfile_serialization=False)
    path.write_bytes(path.read_bytes()[:-100_000])
    assert "is damaged" in refusal(path)


def test_a_packed_archive_is_not_unpacked(tmp_path: Path, pth_bytes: bytes) -> None:
    path = tmp_path / "bomb.pth"
    with zipfile.ZipFile(io.BytesIO(pth_bytes)) as source, zipfile.ZipFile(path, "w") as packed:
        for entry in source.infolist():
            packed.writestr(entry.filename, bytes(entry.file_size), zipfile.ZIP_DEFLATED)
    assert "packed archive" in refusal(path)


def test_an_archive_that_counts_its_bytes_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "overlap.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"x" * 1000)
    data = bytearray(path.read_bytes())
    at = data.index(b"PK\x01\x02")
    struct.pack_into("<II", data, at + 20, 10**6, 10**6)
    path.write_bytes(data)
    assert "more than its own size" in refusal(path)


@pytest.mark.parametrize(
    "data",
    [b"", b"hello, I am a text\n", b"\x89PNG\r\n\x1a\n" + bytes(100), b"PK\x03\x04", bytes(1000), b"{}"],
    ids=["empty", "text", "png", "zip magic", "zeros", "json"],
)
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_files_that_are_not_checkpoints_are_told(tmp_path: Path, data: bytes, suffix: str) -> None:
    path = tmp_path / f"model{suffix}"
    path.write_bytes(data)
    assert str(path) in refusal(path, **({"architecture": "hrnet18s-itm"} if suffix != ".pth" else {}))


@pytest.mark.parametrize("suffix", ["", ".pth", ".safetensors"])
def test_a_folder_and_a_missing_file_are_told(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / f"folder{suffix}"
    assert "does not exist" in refusal(folder, architecture="hrnet18s-itm")
    folder.mkdir()
    assert "is a folder" in refusal(folder, architecture="hrnet18s-itm")


@pytest.mark.parametrize(
    "header",
    [
        struct.pack("<Q", 2**63),
        struct.pack("<Q", 10**9) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{}" + bytes(100),
        struct.pack("<Q", 70)
        + b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,8]}}'.ljust(70),
        struct.pack("<Q", 70)
        + b'{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,99999999999999]}}'.ljust(70),
    ],
    ids=["length 2^63", "length beyond the file", "list", "left over", "shape", "offsets"],
)
def test_an_absurd_safetensors_header_is_refused(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "model.safetensors"
    path.write_bytes(header)
    assert "damaged" in refusal(path, architecture="hrnet18s-itm")


@pytest.mark.parametrize(
    "card",
    [
        "[]",
        "3",
        '"text"',
        "null",
        "{",
        "",
        "{}",
        "[" * 100_000,
        '{"format_version": 2}',
        "\xff",
        " " * 2_000_000,
    ],
    ids=["list", "number", "text", "null", "open", "empty", "no fields", "deep", "version", "bytes", "large"],
)
def test_a_card_of_another_kind_is_refused(
    tmp_path: Path, seeded_model: Callable[[str], InteractiveModel], card: str
) -> None:
    path = tmp_path / "model.safetensors"
    save_model(path, seeded_model("h18s_itm"))
    path.with_suffix(".json").write_text(card, encoding="latin-1")
    assert "model.json" in refusal(path)
