"""What people hand over: taken in every sensible form, refused in one sentence, never changed."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from ritm_model import (
    Box,
    Click,
    ImageError,
    Predictor,
    PredictorOptions,
    PromptError,
    TorchEngine,
    ZoomIn,
    open_predictor,
    read_image,
)
from ritm_model.images import decode_image
from ritm_model.inference.brs import BRS_MODES, BRSPredictor
from ritm_model.inference.engines.compiled import CompiledEngine
from ritm_model.inference.engines.openvino import converted
from ritm_model.inference.prompts import clicks_of, mask_of
from ritm_model.networks import build

IMAGE = np.random.default_rng(0).integers(0, 256, (97, 131, 3), dtype=np.uint8)
FRAME = (97, 131)
SAMPLES = Path(__file__).parents[2] / "samples" / "images"
FIXED = PredictorOptions(zoom_in=ZoomIn(skip_clicks=-1, target_size=(64, 96)), with_flip=False)


@pytest.fixture
def given_mask() -> np.ndarray:
    given_mask = np.zeros(FRAME, bool)
    given_mask[20:60, 30:90] = True
    return given_mask


@pytest.mark.parametrize("largest", [1, 2, 255])
@pytest.mark.parametrize("kind", [np.uint8, np.int32, np.int64, np.uint16])
def test_masks_of_integers_are_the_mask(kind, largest, given_mask) -> None:
    np.testing.assert_array_equal(mask_of(given_mask.astype(kind) * kind(largest), FRAME), given_mask)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_masks_of_floats_are_probabilities(kind, given_mask) -> None:
    soft_HW = (given_mask * 0.75).astype(kind)
    found_HW = mask_of(soft_HW, FRAME)
    assert found_HW.dtype == np.float32
    np.testing.assert_array_equal(found_HW, soft_HW)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda mask: mask * 255.0, "numbers from 0 to 255"),
        (lambda mask: mask - 0.5, "numbers from -0.5 to 0.5"),
        (lambda mask: np.where(mask, np.nan, 0.0), "holds NaN"),
        (lambda mask: mask.astype(complex), "holds complex128"),
        (lambda mask: mask.astype(object), "holds object"),
        (lambda mask: mask.astype(str), "holds <U"),
        (lambda mask: mask[:-1], "mask is 131 x 96, the image 131 x 97"),
        (lambda mask: mask[..., None], "mask is 1 x 131 x 97"),
    ],
)
def test_other_masks_are_refused_in_a_sentence(change, sentence, given_mask) -> None:
    with pytest.raises(PromptError, match=sentence) as caught:
        mask_of(change(given_mask.astype(float)), FRAME)
    assert str(caught.value).count("\n") == 0


@given(st.lists(st.floats(), min_size=4, max_size=4))
def test_what_is_taken_is_a_probability(values) -> None:
    try:
        found = mask_of(np.array(values).reshape(2, 2), (2, 2))
    except PromptError:
        return
    assert ((found >= 0) & (found <= 1)).all()


def test_the_answer_to_a_mask_does_not_depend_on_how_it_is_written(hrnet_engine, given_mask) -> None:
    predictor = Predictor(hrnet_engine, FIXED)
    answers = [
        predictor.click(predictor.start(IMAGE, mask), Click(60, 40)).probability
        for mask in (
            given_mask,
            np.uint8(255) * given_mask,
            given_mask.astype(np.float64),
            given_mask.astype(int),
        )
    ]
    for answer in answers[1:]:
        np.testing.assert_array_equal(answer, answers[0])


def test_a_pillow_image_is_turned_and_taken_in_any_mode() -> None:
    predictor = Predictor(_engine())
    sideways = Image.fromarray(IMAGE)
    exif = sideways.getexif()
    exif[0x0112] = 6
    file = io.BytesIO()
    sideways.save(file, "PNG", exif=exif)
    turned = predictor.start(Image.open(file)).image
    assert turned.shape == (131, 97, 3)
    np.testing.assert_array_equal(turned, decode_image(file.getvalue()))
    assert predictor.start(Image.fromarray(IMAGE).convert("L")).image.shape == IMAGE.shape


@pytest.mark.parametrize(
    ("image", "sentence"),
    [
        ("photo.jpg", "got str; read_image reads a file"),
        (IMAGE[..., 0], "got uint8 \\(97, 131\\)"),
        (IMAGE / 255, "got float64"),
        (IMAGE[:0], "got uint8 \\(0, 131, 3\\)"),
        (torch.from_numpy(IMAGE), "got Tensor"),
    ],
)
def test_other_images_are_refused_in_a_sentence(image, sentence) -> None:
    with pytest.raises(PromptError, match=sentence):
        Predictor(_engine()).start(image)


def test_read_image_names_the_file(tmp_path) -> None:
    photo = SAMPLES / "coffee.jpg"
    np.testing.assert_array_equal(read_image(str(photo)), decode_image(photo.read_bytes()))
    with pytest.raises(ImageError, match="none.jpg cannot be read: No such file"):
        read_image(tmp_path / "none.jpg")
    (tmp_path / "text.jpg").write_text("hello")
    with pytest.raises(ImageError, match="text.jpg: The file is not an image"):
        read_image(tmp_path / "text.jpg")


@pytest.mark.parametrize(
    ("points", "labels", "sentence"),
    [
        ([[1, 2, 3]], [1], "N x 2"),
        ([1, 2], [1], "N x 2"),
        ([[1, 2], [3]], [1, 1], "points cannot be read as numbers: rows are not of equal length"),
        ([[1, 2], [3, 4]], [1, [1]], "labels cannot be read"),
        ([["a", "b"]], [1], "N x 2"),
        ([[1, 2]], [1, 0], "There are 1 points"),
        ([[1, 2]], [2], "Labels have to be"),
        ([[1, 2]], ["yes"], "Labels have to be"),
        ([[1, float("nan")]], [1], "finite"),
    ],
)
def test_other_points_are_refused_in_a_sentence(points, labels, sentence) -> None:
    with pytest.raises(PromptError, match=sentence):
        clicks_of(points, labels)


def test_points_are_clicks(hrnet_engine, given_mask) -> None:
    predictor = Predictor(hrnet_engine, FIXED)
    points = torch.tensor([[60.0, 40.5], [5.0, 5.0]])
    clicks = (Click(60, 40.5), Click(5, 5, False))
    found = predictor.predict(IMAGE, points, [True, False])
    assert found.clicks == clicks
    np.testing.assert_array_equal(found.mask, predictor.replay(predictor.start(IMAGE), clicks).mask)
    box = Box(30, 20, 90, 60)
    assert predictor.predict(IMAGE, [], [], box=box).clicks == (box.centre,)
    assert predictor.predict(IMAGE, [[5, 5]], [0], box=box).clicks == (box.centre, Click(5, 5, False))
    half = predictor.predict(IMAGE, [], [], box=Box(-100, 20, 60, 60))
    assert half.clicks == (Click(30, 40),)  # on the image, in the middle of what is seen of the box
    with pytest.raises(PromptError, match="outside the 131 x 97 image"):
        predictor.predict(IMAGE, [], [], box=Box(-100, 20, -60, 60))
    np.testing.assert_array_equal(predictor.predict(IMAGE, [], [], mask=given_mask).mask, given_mask)
    with pytest.raises(PromptError, match="at least one point, stroke, box, lasso or mask"):
        predictor.predict(IMAGE, [], [])


def test_many_objects_share_runs_and_get_their_own_answers(engine, given_mask) -> None:
    predictor = Predictor(engine, FIXED)
    points = [[[60, 40], [5, 5]], [[100, 80]], [], [[20, 20]]]
    labels = [[1, 0], [1], [], [1]]
    masks = [None, given_mask, None, None]
    boxes = [None, None, Box(30, 20, 90, 60), None]
    found = predictor.predict_batch(IMAGE, points, labels, masks, boxes)
    assert engine.runs == 2  # the first clicks of all, the second one of the first
    for state, *prompt in zip(found, points, labels, masks, boxes, strict=True):
        alone = predictor.predict(IMAGE, *prompt)
        assert state.clicks == alone.clicks
        np.testing.assert_allclose(state.probability, alone.probability, atol=1e-4)


def test_many_images_in_batches_of_a_size(engine) -> None:
    predictor = Predictor(engine, FIXED)
    images = [IMAGE, IMAGE[:, ::-1].copy(), Image.fromarray(IMAGE[:50])]
    found = predictor.predict_batch(images, [[[20, 20]]] * 3, [[1]] * 3, at_once=2)
    assert [state.frame for state in found] == [FRAME, FRAME, (50, 131)]
    assert engine.runs == 2
    assert predictor.predict_batch(IMAGE, [], []) == []


def test_one_bad_object_of_many_is_told() -> None:
    predictor = Predictor(_engine())
    with pytest.raises(PromptError, match="as many images"):
        predictor.predict_batch([IMAGE], [[[1, 1]]] * 2, [[1]] * 2)
    with pytest.raises(PromptError, match="Labels"):
        predictor.predict_batch(IMAGE, [[[1, 1]]] * 3, [[1], [7], [1]])


def _network():
    return build("mobile", {"head_width": 8})


def _engine() -> TorchEngine:
    return TorchEngine(_network())


@pytest.mark.parametrize(
    "use",
    [
        TorchEngine,
        CompiledEngine,
        converted,
        open_predictor,
        lambda model: BRSPredictor(
            engine := TorchEngine(model), BRS_MODES["RGB-BRS"].adaptation(engine.model), FIXED, evaluations=2
        ).predict(IMAGE, [[20, 20], [60, 60]], [1, 0]),
    ],
    ids=["torch", "compile", "openvino", "open_predictor", "brs"],
)
def test_a_network_that_is_handed_over_stays_as_it_is(use) -> None:
    model = _network().train()
    parameters = list(model.parameters())
    before = {name: (value.clone(), value.stride()) for name, value in model.state_dict().items()}
    use(model)
    assert model.training
    assert all(module.training for module in model.modules())
    assert all(parameter.requires_grad and parameter.grad is None for parameter in parameters)
    assert all(ours is theirs for ours, theirs in zip(model.parameters(), parameters, strict=True))
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name][0]), name
        assert value.stride() == before[name][1], name


def test_arrays_that_are_handed_over_stay_as_they_are(given_mask) -> None:
    image, given = IMAGE.copy(), given_mask.astype(np.float32)
    predictor = Predictor(_engine(), FIXED)
    predictor.predict(image, np.array([[20, 20]]), np.array([1]), mask=given)
    np.testing.assert_array_equal(image, IMAGE)
    np.testing.assert_array_equal(given, given_mask)
