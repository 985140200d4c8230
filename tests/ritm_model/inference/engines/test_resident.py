"""Views that are cut out of a photograph on its device are those that the CPU makes, but for rounding."""

from __future__ import annotations

import gc
import threading
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ritm_model.inference.engines.resident import ResidentImages, resident_images, shown_there, uploaded
from ritm_model.inference.geometry import Roi
from ritm_model.inference.resampling import crop_pixels

HEIGHT, WIDTH = 90, 70
CPU = torch.device("cpu")
sizes = st.tuples(st.integers(1, 120), st.integers(1, 120))


@st.composite
def rois(draw):
    top, left = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    return Roi(top, draw(st.integers(top, HEIGHT - 1)), left, draw(st.integers(left, WIDTH - 1)))


@settings(deadline=None, max_examples=300)
@given(
    roi=rois(),
    size=st.none() | sizes | st.integers(1, 20).map(lambda side: (side, side)),
    antialias=st.booleans(),
    with_mask=st.booleans(),
    seed=st.integers(0, 99),
)
def test_a_view_is_that_of_the_cpu(roi, size, antialias, with_mask, seed):
    random = np.random.default_rng(seed)
    image = random.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    size = size or roi.size
    points = random.random((2, 4, 3), dtype=np.float32)
    mask = random.random(size, dtype=np.float32) if with_mask else None
    there = uploaded(CPU, image, dtype=torch.uint8).view(image.shape)
    view, points_there = shown_there(there, roi, size, points, mask, antialias=antialias)
    assert view.shape == (*size, 3 + with_mask)
    expected = crop_pixels(image, roi, size, antialias=antialias) / 255
    np.testing.assert_allclose(view[..., :3].numpy(), expected, atol=1e-6)
    np.testing.assert_array_equal(points_there.numpy(), points)
    if mask is not None:
        np.testing.assert_array_equal(view[..., 3].numpy(), mask)


def picture(side: int = 10) -> np.ndarray:
    return np.random.default_rng(side).integers(0, 256, (side, side, 3), np.uint8)


def test_a_photograph_is_uploaded_once_and_goes_with_its_array():
    images = ResidentImages(CPU)
    first, second = picture(10), picture(20)
    kept = images.of(first)
    assert images.of(second) is not None
    assert images.of(first) is kept
    np.testing.assert_array_equal(kept.numpy(), first)
    assert images.nbytes == first.nbytes + second.nbytes
    del first
    gc.collect()
    assert images.nbytes == second.nbytes


def test_the_same_pixels_in_another_array_are_another_photograph():
    image = picture()
    images = ResidentImages(CPU)
    before = images.of(image.view())
    image[:] = 7
    assert (images.of(image.view()) == 7).all()
    assert not (before == 7).all()


def test_those_unused_longest_make_room():
    pictures = [picture() for _ in range(4)]
    images = ResidentImages(CPU, most_bytes=3 * pictures[0].nbytes)
    kept = [images.of(each) for each in pictures[:3]]
    assert images.of(pictures[0]) is kept[0]
    images.of(pictures[3])
    assert images.nbytes == 3 * pictures[0].nbytes
    assert images.of(pictures[0]) is kept[0]
    assert images.of(pictures[2]) is kept[2]
    again = images.of(pictures[1])
    assert again is not kept[1]
    assert torch.equal(again, kept[1])


def test_one_larger_than_all_may_be_stays_on_the_cpu():
    images = ResidentImages(CPU, most_bytes=picture().nbytes - 1)
    assert images.of(picture()) is None
    assert images.nbytes == 0


def test_threads_that_ask_at_once_get_one_copy():
    image, images = picture(200), ResidentImages(CPU)
    everybody, found = threading.Barrier(8), []

    def ask():
        everybody.wait()
        found.append(images.of(image))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(each) for each in found}) == 1


def test_images_die_with_their_engine_without_a_collection_of_garbage():
    image, images = picture(), ResidentImages(CPU)
    there = images.of(image)
    assert there is not None
    gc.disable()
    try:
        gone = weakref.ref(there)
        del there, images
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("engine", [object(), None])
def test_other_engines_have_none(engine):
    assert resident_images(engine) is None
