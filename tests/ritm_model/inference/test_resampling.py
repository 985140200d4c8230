"""The shortcuts give what building everything in full would give."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional

from ritm_model.inference.geometry import Roi, whole
from ritm_model.inference.resampling import crop_pixels
from ritm_model.inference.soft_map import SoftMap

HEIGHT, WIDTH = 50, 70
sizes = st.tuples(st.integers(1, 90), st.integers(1, 90))


@st.composite
def rois(draw):
    top, left = draw(st.integers(0, HEIGHT - 1)), draw(st.integers(0, WIDTH - 1))
    return Roi(top, draw(st.integers(top, HEIGHT - 1)), left, draw(st.integers(left, WIDTH - 1)))


def resized(values_HW, size):
    whole_11HW = torch.from_numpy(np.ascontiguousarray(values_HW, np.float32))[None, None]
    return functional.interpolate(whole_11HW, size=size, mode="bilinear", align_corners=True)[0, 0].numpy()


@settings(deadline=None)
@given(
    roi=rois(),
    size=st.none() | sizes,
    channels=st.sampled_from([None, (0, 1, 2, 0), (2, 1)]),
    seed=st.integers(0, 99),
)
def test_a_crop_is_cut_out_and_resized(roi, size, channels, seed):
    image = np.random.default_rng(seed).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    size = size or roi.size
    shown = crop_pixels(image, roi, size, channels)
    assert shown.dtype == np.float32
    assert shown.flags.c_contiguous
    channels = channels or (0, 1, 2)
    assert shown.shape == (*size, len(channels))
    for place, channel in enumerate(channels):
        expected = resized(image[roi.slices][..., channel], size)
        np.testing.assert_allclose(shown[..., place], expected, atol=255 * 1e-4)


@pytest.mark.parametrize("size", [(8, 6), (11, 7)])
def test_a_shrunk_crop_is_the_mean_of_all_its_pixels(size):
    """A pattern of single pixels, of which samples see one colour only, becomes grey."""
    image = np.zeros((32, 24, 3), np.uint8)
    image[::2, ::2] = image[1::2, 1::2] = 200
    shown = crop_pixels(image, whole((32, 24)), size, (0, 1, 2, 0), antialias=True)
    assert shown.shape == (*size, 4)
    assert shown.dtype == np.float32
    np.testing.assert_allclose(shown, 100, atol=12)  # blocks of three are not quite even
    plain = crop_pixels(image, whole((32, 24)), size)
    assert np.abs(plain - 100).max() > 50
    for larger in ((32, 24), (40, 30), (16, 30), (20, 20)):  # no blocks to take the mean of
        np.testing.assert_array_equal(
            crop_pixels(image, whole((32, 24)), larger, antialias=True),
            crop_pixels(image, whole((32, 24)), larger),
        )


@settings(deadline=None)
@given(kept=rois(), stored=sizes, roi=rois(), size=sizes, seed=st.integers(0, 99), as_bool=st.booleans())
def test_the_crop_of_a_map_is_that_of_the_full_map(kept, stored, roi, size, seed, as_bool):
    values = np.random.default_rng(seed).random(stored, dtype=np.float32)
    soft = SoftMap(values > 0.5 if as_bool else values, kept, (HEIGHT, WIDTH))
    np.testing.assert_allclose(soft.crop(roi, size), resized(soft.full()[roi.slices], size), atol=1e-4)


@given(kept=rois(), stored=sizes)
def test_a_map_is_zero_outside_what_it_keeps(kept, stored):
    full = SoftMap(np.ones(stored, np.float32), kept, (HEIGHT, WIDTH)).full()
    assert full.sum() == pytest.approx(kept.size[0] * kept.size[1])
    assert full[kept.slices].min() > 0.999


@settings(deadline=None)
@given(kept=rois(), stored=sizes, seed=st.integers(0, 99), threshold=st.sampled_from([0.2, 0.9, 0.999, 1.0]))
def test_what_exceeds_a_threshold_lies_within_reach_and_comes_in_bands(kept, stored, seed, threshold):
    soft = SoftMap(np.random.default_rng(seed).random(stored, dtype=np.float32), kept, (HEIGHT, WIDTH))
    full_HW = soft.full()
    reach = soft.reach(threshold)
    if reach is None:
        assert not (full_HW > threshold + 1e-6).any()
        return
    seen_HW = np.zeros_like(full_HW)
    for rows, values in soft.bands(reach):
        seen_HW[reach.slices][rows] = values
    np.testing.assert_allclose(seen_HW[reach.slices], full_HW[reach.slices], atol=1e-5)
    full_HW[reach.slices] = 0
    assert not (full_HW > threshold + 1e-6).any()


def test_a_large_map_comes_in_several_bands():
    soft = SoftMap(
        np.random.default_rng(1).random((30, 40), dtype=np.float32), Roi(0, 599, 0, 999), (600, 1000)
    )
    box = Roi(100, 580, 20, 990)
    bands = [(rows, band.copy()) for rows, band in soft.bands(box)]
    assert [rows.start for rows, _ in bands[1:]] == [rows.stop for rows, _ in bands[:-1]]
    assert len(bands) > 2
    np.testing.assert_allclose(
        np.concatenate([values for _, values in bands]), soft.full()[box.slices], atol=1e-5
    )
