"""The recipes have the numbers of the paper's training scripts, typed here a second time."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

import pytest
import torch

from ritm_model.learning.data import collate, make_samples, unbroken
from ritm_model.learning.loop.run_folder import RunFolder
from ritm_model.learning.loop.starting import make_model
from ritm_model.learning.loop.trainer import Trainer
from ritm_model.learning.recipe_data import open_data
from ritm_model.learning.recipes import load_recipe, recipe_names

COMBINED, COCO = "COCO_LVIS:train", "COCO_Panoptic:train2017"
VOC, SBD = "PascalVOC:train", "SBD_Train:train"


class Row(NamedTuple):
    """One script; `samples` are those of an epoch and of the validation, `data` what is learnt from."""

    network: str
    epochs: int
    milestones: tuple[int, int]
    batch: int
    area: int
    background: float
    samples: tuple[int, int]
    stuff: float
    data: tuple[str, ...]
    loss: str = "normalized_focal"


TABLE = {
    "hrnet18s_cocolvis_itermask_3p": Row(
        "h18s_itm", 230, (200, 220), 32, 1000, 0.05, (30000, 2000), 0.3, (COMBINED,)
    ),
    "hrnet18_cocolvis_itermask_3p": Row(
        "h18_itm", 230, (200, 220), 28, 1000, 0.05, (30000, 2000), 0.3, (COMBINED,)
    ),
    "hrnet32_cocolvis_itermask_3p": Row(
        "h32_itm", 230, (200, 220), 32, 1000, 0.05, (30000, 2000), 0.3, (COMBINED,)
    ),
    "hrnet18_sbd_itermask_3p": Row("h18_itm", 220, (200, 215), 28, 80, 0.01, (8498, 500), 0, (SBD,)),
    "hrnet18_ocr64_cocolvis": Row(
        "h18_base", 230, (200, 220), 28, 1000, 0.05, (30000, 2000), 0.3, (COMBINED,)
    ),
    "hrnet18_ocr64_coco": Row("h18_base", 140, (120, 135), 28, 1000, 0.05, (30000, 2000), 0.3, (COCO,)),
    "hrnet18_ocr64_openimages": Row(
        "h18_base", 140, (120, 135), 28, 1000, 0.05, (30000, 2000), 0, ("OpenImages:train",)
    ),
    "hrnet18_ocr64_lvis": Row("h18_base", 160, (140, 155), 28, 1000, 0.05, (30000, 2000), 0, ("LVIS:train",)),
    "hrnet18_ocr64_ade20k": Row(
        "h18_base", 120, (100, 115), 28, 80, 0.05, (30000, 2000), 0.3, ("ADE20k:train",)
    ),
    "hrnet18_ocr64_sbd": Row("h18_base", 120, (100, 115), 28, 80, 0, (8498, 2857), 0, (SBD,)),
    "hrnet18_ocr64_vocsbd": Row("h18_base", 120, (100, 115), 28, 80, 0, (9962, 4306), 0, (VOC, SBD)),
    "r34_dh128_cocolvis": Row("r34_base", 160, (140, 155), 28, 80, 0, (30000, 2000), 0.3, (COMBINED,)),
    "r34_dh128_coco": Row("r34_base", 140, (120, 135), 28, 1000, 0.05, (30000, 2000), 0.3, (COCO,)),
    "r34_dh128_openimages": Row(
        "r34_base", 140, (120, 135), 28, 1000, 0.05, (30000, 2000), 0, ("OpenImages:train",)
    ),
    "r34_dh128_lvis": Row("r34_base", 160, (140, 155), 28, 1000, 0.05, (30000, 2000), 0, ("LVIS:train",)),
    "r34_dh128_ade20k": Row("r34_base", 120, (100, 115), 28, 80, 0.05, (30000, 2000), 0.3, ("ADE20k:train",)),
    "r34_dh128_sbd": Row("r34_base", 120, (100, 115), 28, 80, 0, (8498, 2857), 0, (SBD,)),
    "r34_dh128_vocsbd": Row("r34_base", 120, (100, 115), 28, 80, 0, (9962, 4306), 0, (VOC, SBD)),
    **{
        f"hrnet18_ocr64_{name}": Row(
            "h18_base", 160, (140, 155), 28, 80, 0, (30000, 2000), 0.3, (COMBINED,), loss
        )
        for name, loss in (
            ("bce", "cross_entropy"),
            ("fl", "focal"),
            ("nfl", "normalized_focal"),
            ("softiou", "soft_iou"),
        )
    },
}
ENTRY = {"use_rgb_conv": False, "use_leaky_relu": True, "use_disks": True, "norm_radius": 5}
HRNET = {**ENTRY, "with_aux_output": True, "backbone_lr_mult": 0.1}
NETWORKS = {
    "h18s_itm": ("hrnet", {**HRNET, "width": 18, "ocr_width": 48, "small": True, "with_prev_mask": True}),
    "h18_itm": ("hrnet", {**HRNET, "width": 18, "ocr_width": 64, "small": False, "with_prev_mask": True}),
    "h32_itm": ("hrnet", {**HRNET, "width": 32, "ocr_width": 128, "small": False, "with_prev_mask": True}),
    "h18_base": ("hrnet", {**HRNET, "width": 18, "ocr_width": 64, "small": False, "with_prev_mask": False}),
    "r34_base": (
        "deeplab",
        {
            **ENTRY,
            "backbone": "resnet34",
            "deeplab_ch": 128,
            "aspp_dropout": 0.2,
            "with_prev_mask": False,
            "backbone_lr_mult": 0.1,
        },
    ),
}


def test_there_is_a_recipe_for_every_script() -> None:
    assert len(TABLE) == 22
    assert {*recipe_names()} == {*TABLE, "starter", "lite", "lite-further", "finetune"}


@pytest.mark.parametrize("name", TABLE)
def test_the_numbers_are_the_papers(name: str) -> None:
    recipe, row = load_recipe(name), TABLE[name]
    assert (recipe.model.family, recipe.model.params) == NETWORKS[row.network]
    assert (recipe.epochs, recipe.optimiser.milestones, recipe.batch_size) == row[1:4]
    assert (recipe.data.min_area, recipe.data.keep_background) == row[4:6]
    assert (recipe.epoch_samples, recipe.validation.objects) == row.samples
    assert tuple(source.data for source in recipe.data.sources) == row.data
    assert {source.stuff_prob for source in recipe.data.sources} == {row.stuff}
    assert all(source.stuff_prob == 0 for source in recipe.data.validation)
    assert recipe.loss.model_dump() == {
        "instance": row.loss,
        "instance_weight": 1.0,
        "auxiliary_weight": 0.4,
    }


@pytest.mark.parametrize("name", TABLE)
def test_what_all_scripts_share(name: str) -> None:
    recipe = load_recipe(name)
    part = recipe.optimiser
    assert (part.name, part.learning_rate, part.weight_decay, part.schedule) == (
        "adam",
        5e-4,
        0,
        "milestones",
    )
    assert (part.gamma, part.clip_norm, part.ema_decay) == (0.1, None, None)
    assert recipe.data.crop == (320, 480)
    assert recipe.data.paste_prob == 0
    assert recipe.data.augmentation == ("sbd" if name == "hrnet18_sbd_itermask_3p" else "coco")
    assert recipe.clicks.model_dump() == {
        "max_next_clicks": 3 if name.endswith("_itermask_3p") else 0,
        "from_mask_prob": 0,
        "prev_mask_dropout": 0,
        "max_points": 24,
        "gamma": 0.8,
        "merge_prob": 0.15,
        "max_merged": 2,
        "erode_prob": 0.9,
        "erode_steps": 3,
        "border_share": 0.1,
        "anywhere": 0.1,
        "others": 0.4,
        "border": 0.5,
        "centre_first": False,
        "centre_share": 1.7,
        "hierarchy": False,
    }


def test_scores_count_where_the_paper_uses_them() -> None:
    """With Pascal VOC beside SBD, its code has no effect of them."""
    gammas = {
        name: {source.scores_gamma for source in load_recipe(name).data.sources}
        for name in TABLE
        if SBD in TABLE[name].data
    }
    assert gammas == {
        "hrnet18_sbd_itermask_3p": {1.25},
        "hrnet18_ocr64_sbd": {1.25},
        "r34_dh128_sbd": {1.25},
        "hrnet18_ocr64_vocsbd": {1.0},
        "r34_dh128_vocsbd": {1.0},
    }


EVERY_FIFTH = ((0, 5),)


def test_models_are_kept_and_pictures_drawn_as_often_as_the_papers() -> None:
    kept = {name: ((0, 5), (200, 1)) for name in TABLE if name.endswith("cocolvis_itermask_3p")}
    kept |= {"hrnet18_ocr64_cocolvis": ((0, 5), (200, 1)), "hrnet18_sbd_itermask_3p": ((0, 5), (100, 1))}
    for name in TABLE:
        recipe = load_recipe(name)
        assert recipe.keep_models == kept.get(name, EVERY_FIFTH), name
        assert recipe.picture_steps == (3000 if name in kept else 2000), name


def test_the_last_span_of_epochs_says_which_models_are_kept() -> None:
    recipe = load_recipe("hrnet18s_cocolvis_itermask_3p")
    assert [epoch for epoch in range(1, 206) if recipe.keeps(epoch)] == [
        *range(5, 200, 5),
        *range(200, 206),
    ]
    assert not load_recipe("starter").keeps(1)


def test_learning_rates_of_the_parts_are_the_papers() -> None:
    """The backbone, and the two small heads with it, learn at a tenth."""
    model = make_model(load_recipe("hrnet18s_cocolvis_itermask_3p"))
    multipliers = model.lr_multipliers()
    for name, expected in (
        ("feature_extractor.conv1.weight", 0.1),
        ("feature_extractor.stage4.1.branches.0.0.conv1.weight", 0.1),
        ("feature_extractor.cls_head.weight", 0.1),
        ("feature_extractor.aux_head.0.weight", 0.1),
        ("feature_extractor.conv3x3_ocr.0.weight", 1.0),
        ("maps_transform.0.weight", 1.0),
    ):
        assert multipliers[name] == expected, name


KINDS = (
    "hrnet18_sbd_itermask_3p",
    *(f"hrnet18_ocr64_{name}" for name in ("cocolvis", "bce", "fl", "softiou")),
)


@pytest.mark.parametrize("name", KINDS)
def test_every_kind_of_script_makes_a_step(name: str, pack: Path, tmp_path: Path) -> None:
    """On a network and crops that are small enough to learn here."""
    changes = (
        "model.params.width=2",
        "model.params.ocr_width=4",
        "model.params.small=true",
        "data.sources=[]",
        "data.validation=[]",
        "data.crop=[32, 48]",
        "data.min_area=10",
        "batch_size=2",
        "device=cpu",
    )
    recipe = load_recipe(name, changes)
    trainer = Trainer(recipe, RunFolder(tmp_path))
    before = {key: value.clone() for key, value in trainer.model.state_dict().items()}
    samples = make_samples(recipe, open_data(recipe, pack).sources)
    trainer.learn(next(unbroken([collate([samples[0], samples[1]])])))
    moved = [key for key, value in trainer.model.state_dict().items() if not torch.equal(value, before[key])]
    assert len(moved) > 0.9 * len(before)
    assert all(value.isfinite().all() for value in trainer.model.state_dict().values())
