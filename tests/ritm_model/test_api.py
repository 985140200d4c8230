"""Whole runs from Python: every way to say what is measured, trained and opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from ritm_model import (
    About,
    Collection,
    Predictor,
    PredictorOptions,
    Region,
    RitmError,
    TorchEngine,
    ZoomIn,
    evaluate,
    list_models,
    load_model,
    load_recipe,
    open_predictor,
    save_model,
    train,
)
from ritm_model.inference import ReferencePredictor
from ritm_model.learning.recipe_data import open_data
from ritm_model.networks import build

SAMPLES = Path(__file__).parents[1] / "samples"
FIXED = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=(64, 96)), with_flip=False)


class Square:
    name = "square"
    category = "shape"

    @property
    def mask(self):
        mask_HW = np.zeros((60, 80), np.int8)
        mask_HW[15:45, 20:60] = 1
        return mask_HW

    def load_image(self):
        return np.uint8(self.mask * 100)[..., None].repeat(3, axis=2)


class Squares:
    name = "squares"

    def __len__(self):
        return 2

    def __getitem__(self, index):
        return Square()


FREE = About(source="bars", license="CC0", license_class="public")


@dataclass(frozen=True)
class Bar:
    """A photograph without a file: a bright bar on black."""

    row: int
    about: About = FREE
    truth = "bars"

    @property
    def name(self):
        return f"bar-{self.row}"

    @property
    def image(self):
        return Path(self.name)

    def mask(self):
        mask_HW = np.zeros((60, 80), bool)
        mask_HW[self.row : self.row + 20, 10:70] = True
        return mask_HW

    def load_image(self):
        return np.uint8(self.mask() * 100)[..., None].repeat(3, axis=2)

    def regions(self, height, width):
        yield Region(self.mask(), key="1", category="bar")


BARS = Collection([Bar(row) for row in range(0, 40, 4)])
SMALL = (
    "model.params={head_width: 8}",
    "data.licence_classes=[public]",
    "data.source_weights={}",
    "data.crop=[64, 64]",
    "data.validation_share=0.5",
    "validation.clicks=1",
    "batch_size=2",
    "epochs=1",
    "epoch_samples=2",
)


@pytest.fixture(scope="module")
def network():
    return build("mobile", {"head_width": 8})


def test_a_network_and_its_file_are_measured_alike(network, tmp_path) -> None:
    save_model(str(tmp_path / "own.safetensors"), network)
    by_name = [
        evaluate(model, Squares(), max_clicks=3, target_iou=1.01)
        for model in (str(tmp_path / "own.safetensors"), tmp_path / "own.safetensors")
    ]
    in_memory = evaluate(load_model(tmp_path / "own.safetensors"), Squares(), max_clicks=3, target_iou=1.01)
    assert [one.samples for one in by_name] == [in_memory.samples] * 2
    assert by_name[0].model.startswith("own-")
    assert in_memory.model == "mobile-unsaved"
    assert len(in_memory.samples[0].ious) == 3


@pytest.mark.parametrize("kind", [Predictor, ReferencePredictor])
def test_a_predictor_keeps_its_own_options(kind, network) -> None:
    measured = evaluate(kind(TorchEngine(network, name="mine"), FIXED), Squares(), max_clicks=2, batch=2)
    assert (measured.model, measured.protocol.options) == ("mine", FIXED)
    assert measured.protocol.reference == (kind is ReferencePredictor)
    assert len(measured.samples) == 2


def test_the_paper_s_profile_repeats_the_paper_s_defects(network) -> None:
    assert evaluate(network, Squares(), profile="fixed64", max_clicks=1).protocol.reference
    assert not evaluate(network, Squares(), max_clicks=1).protocol.reference


def test_a_data_set_is_named_or_a_layout_with_its_folder(network, tmp_path) -> None:
    for kind, suffix in (("images", ".jpg"), ("masks", ".png")):
        (tmp_path / "photos" / kind).mkdir(parents=True)
        source = SAMPLES / kind / f"bear{suffix}"
        (tmp_path / "photos" / kind / source.name).write_bytes(source.read_bytes())
    layout = f"labels:{tmp_path / 'photos'}"
    direct = evaluate(network, layout, max_clicks=1)
    named = evaluate(network, "photos", {"photos": layout}, max_clicks=1, folder=str(tmp_path / "run"))
    assert direct.dataset == named.dataset == "photos"
    assert direct.samples == named.samples
    assert (tmp_path / "run" / "samples.jsonl").is_file()
    with pytest.raises(RitmError, match="There is no data set 'none'"):
        evaluate(network, "none")


def test_processes_need_a_file(network) -> None:
    with pytest.raises(RitmError, match="save it, or leave jobs at 1"):
        evaluate(network, Squares(), jobs=2)


def test_the_bundled_model_is_listed_and_opened_under_every_kind_of_name() -> None:
    assert list_models()[0] == "bundled"
    with pytest.raises(RitmError, match="There is no model 'none'"):
        open_predictor("none")
    with pytest.raises(RitmError, match=r"There is no model file .*none\.safetensors"):
        open_predictor(Path("none.safetensors"))
    with pytest.raises(RitmError, match="not a device"):
        open_predictor(build("mobile", {"head_width": 8}), device="gpu")


def test_photographs_as_an_object_are_measured(network) -> None:
    measured = evaluate(network, BARS, max_clicks=1)
    assert measured.dataset == "own"
    assert [sample.name for sample in measured.samples] == [f"bar-{row}#1" for row in range(0, 40, 4)]
    with pytest.raises(RitmError, match="own has no usable samples: it is empty"):
        evaluate(network, Collection([]))


def test_photographs_as_an_object_are_learnt_from(tmp_path) -> None:
    for data in (BARS, {"own": Collection(BARS.photographs[:5]), "own2": Collection(BARS.photographs[5:])}):
        found = open_data(load_recipe("starter", SMALL), data)
        assert {"bar-0", "bar-36"} <= {each.name for each in (*found.sources[0].photographs, *found.held_out)}
        assert {(each.source, each.licence) for each in found.sources[0].photographs} == {("bars", "CC0")}
    path = train("starter", BARS, tmp_path / "run", overrides=SMALL)
    assert "CC0" in path.with_suffix(".json").read_text()


def test_photographs_of_a_licence_that_the_recipe_excludes_are_refused(tmp_path) -> None:
    paid = Collection([Bar(0, About(license_class="paid"))])
    with pytest.raises(RitmError, match="check the licence classes of the recipe"):
        train("starter", paid, tmp_path, overrides=SMALL)


def test_training_without_a_recipe_is_a_sentence(tmp_path) -> None:
    with pytest.raises(RitmError, match="recipe"):
        train("none", tmp_path, tmp_path / "run")
