"""The native agent, against the SDK that runs it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import PIL.Image
import pytest
from decoding import LARGE, MEMORY_MB, TOTAL, is_free
from processes import wait_until
from redis_server import Redis

from cvat_serverless.interactor import Interactor
from cvat_serverless.metrics import Metrics
from ritm_model.clicks import Click
from ritm_model.images import ImageError
from ritm_model.inference import Annotator, AnnotatorStats, Box, Predictor
from ritm_ops.admission import BusyError, DecodingMemory, MemoryBudget, machine_folder
from ritm_ops.object_store import open_store
from ritm_ops.registry import Registry

if os.environ.get("CI") != "true":
    pytest.importorskip("cvat_sdk", reason="cvat-sdk is not installed (extra 'cvat-agent')")
import cvat_sdk.auto_annotation as cvataa
from cvat_sdk.masks import decode_mask

from cvat_serverless import agent

BUS = Path(__file__).parents[1] / "samples" / "images" / "bus.jpg"
WIDTH, HEIGHT = 640, 427

Point = tuple[float, float]


@dataclass(frozen=True)
class Prompts(cvataa.InteractionPrompts):
    """What cvat-cli hands over."""

    pos_points: Sequence[Point] = ()
    neg_points: Sequence[Point] = ()
    bounding_box: tuple[Point, Point] | None = None


class Context(cvataa.InteractionFunctionContext):
    """Empty, as in the SDK."""


@pytest.fixture
def function(predictor: Predictor) -> agent.RitmFunction:
    return function_of(predictor, MemoryBudget(2**30), min_region_pixels=0)


def function_of(
    predictor: Predictor, memory: MemoryBudget, *, confidence: bool = False, **options: int
) -> agent.RitmFunction:
    interactor = Interactor(Annotator(predictor), **options)
    return agent.RitmFunction(interactor, memory, Metrics(interactor), confidence=confidence)


def masks(shapes: list[cvataa.InteractionResultShape]) -> list[npt.NDArray[np.bool_]]:
    return [decode_mask(shape.points, image_width=WIDTH, image_height=HEIGHT) for shape in shapes]


def test_points_and_boxes_are_welcome_and_none_is_a_must(function: agent.RitmFunction) -> None:
    assert isinstance(function.spec, cvataa.InteractionFunctionSpec)
    assert function.spec.min_pos_points == 0
    assert function.spec.min_neg_points == 0
    assert function.spec.min_bounding_boxes == 0


def test_a_session_of_clicks_equals_the_predictor(function: agent.RitmFunction, predictor: Predictor) -> None:
    frame = function.preprocess_image(Context(), PIL.Image.open(BUS))
    function.detect(Context(), frame, Prompts(pos_points=[(320, 220)]))

    shapes = function.detect(Context(), frame, Prompts(pos_points=[(320, 220)], neg_points=[(60, 60)]))

    clicks = (Click(320, 220), Click(60, 60, is_positive=False))
    state = predictor.replay(predictor.start(frame.pixels_HW3), clicks)
    (mask_HW,) = masks(shapes)
    assert (mask_HW == state.mask).all()
    assert shapes[0].type == "mask"
    assert shapes[0].attributes == []


def test_a_box_is_a_region_of_interest(function: agent.RitmFunction, predictor: Predictor) -> None:
    frame = function.preprocess_image(Context(), PIL.Image.open(BUS))

    shapes = function.detect(Context(), frame, Prompts(bounding_box=((200, 130), (460, 330))))

    box = Box(200, 130, 460, 330)
    state = predictor.click(predictor.start(frame.pixels_HW3, region=box), box.centre)
    assert [mask_HW.tolist() for mask_HW in masks(shapes)] == [state.mask.tolist()]


def test_nothing_marked_gives_no_shapes(function: agent.RitmFunction) -> None:
    frame = function.preprocess_image(Context(), PIL.Image.new("RGB", (WIDTH, HEIGHT)))

    assert function.detect(Context(), frame, Prompts()) == []


def test_the_confidence_is_an_attribute_of_cvat(predictor: Predictor) -> None:
    function = function_of(predictor, MemoryBudget(2**30), confidence=True)
    frame = function.preprocess_image(Context(), PIL.Image.open(BUS))

    (shape,) = function.detect(Context(), frame, Prompts(pos_points=[(320, 220)]))

    (attribute,) = shape.attributes
    assert attribute.spec_id == cvataa.InteractionResultAttributes.CONFIDENCE
    assert 0 < float(attribute.value) <= 1


@pytest.mark.parametrize("mode", ["L", "LA", "P", "RGBA", "CMYK", "I;16", "1"])
def test_frames_of_any_kind_are_prepared(function: agent.RitmFunction, mode: str) -> None:
    image = PIL.Image.new(mode, (24, 16))

    frame = function.preprocess_image(Context(), image)

    assert frame.pixels_HW3.shape == (16, 24, 3)
    assert frame.pixels_HW3.dtype == np.uint8


def test_the_key_is_that_of_the_pixels(function: agent.RitmFunction) -> None:
    one = function.preprocess_image(Context(), PIL.Image.new("RGB", (24, 16), (1, 2, 3)))
    same = function.preprocess_image(Context(), PIL.Image.new("RGB", (24, 16), (1, 2, 3)))
    turned = function.preprocess_image(Context(), PIL.Image.new("RGB", (16, 24), (1, 2, 3)))

    assert one.key == same.key
    assert one.key != turned.key


def test_cvat_cli_can_make_it_with_parameters() -> None:
    function = agent.create(model="bundled", device="cpu", confidence=True)

    assert isinstance(function, agent.RitmFunction)


def test_what_its_parameters_leave_open_the_environment_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, redis: Redis, model: str
) -> None:
    """A live model of a registry, and sessions that a second agent goes on with."""
    registry = Registry(open_store(str(tmp_path / "registry")))
    version = registry.publish("team", Path(model), {})
    registry.promote("team", version, None)
    for name, value in {
        "RITM_MODEL": "registry:team",
        "RITM_REGISTRY": registry.uri,
        "RITM_MODELS": str(tmp_path / "models"),
        "SESSION_STORE": redis.url,
    }.items():
        monkeypatch.setenv(name, value)

    def clicked(*points: Point) -> AnnotatorStats:
        function = agent.create(device="cpu", engine="torch")
        frame = function.preprocess_image(Context(), PIL.Image.open(BUS))
        function.detect(Context(), frame, Prompts(pos_points=points))
        annotator = function._interactor.annotator
        assert annotator.version == version
        return annotator.stats()

    assert clicked((320, 220), (200, 200)).clicks_run == 2
    assert clicked((320, 220), (200, 200), (400, 300)).clicks_run == 1


def test_frames_too_large_are_refused_before_they_are_decoded(function: agent.RitmFunction) -> None:
    class Unread(PIL.Image.Image):
        @property
        def size(self) -> tuple[int, int]:
            return 40_000, 30_000

    with pytest.raises(ImageError, match="40000 x 30000 pixels; the limit is 120 megapixels"):
        function.preprocess_image(Context(), Unread())


def test_a_frame_waits_for_memory(predictor: Predictor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(agent, "MEMORY_WAIT_SECONDS", 0)
    memory = MemoryBudget(100)
    function = function_of(predictor, memory)

    with memory.hold(1, float("inf")), pytest.raises(BusyError, match="no memory for this request"):
        function.preprocess_image(Context(), PIL.Image.new("RGB", (24, 16)))

    function.preprocess_image(Context(), PIL.Image.new("RGB", (24, 16)))


AGENT = """
import PIL.Image
from cvat_serverless import agent
import cvat_sdk.auto_annotation as cvataa
function = agent.create()
print("ready", flush=True)
function.preprocess_image(cvataa.InteractionFunctionContext(), PIL.Image.new("RGB", (1500, 1500)))
print("done", flush=True)
"""


def test_processes_of_an_agent_share_the_memory_for_frames(tmp_path: Path) -> None:
    """A large frame that needs all of it waits until this process, which has some, gives it back."""
    environment = {
        **os.environ,
        "RITM_DEVICE": "cpu",
        "RITM_ENGINE": "torch",
        "RITM_MEMORY_MB": str(MEMORY_MB),
        "TMPDIR": str(tmp_path),
    }
    budget = DecodingMemory.of_machine(TOTAL, tmp_path / machine_folder().name)
    with subprocess.Popen(
        [sys.executable, "-c", AGENT], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        with budget.hold(LARGE, float("inf")):
            assert process.stdout.readline() == "ready\n"
            wait_until(lambda: not is_free(budget), "an agent that waits", within_s=60)
            assert process.poll() is None
        assert process.stdout.read() == "done\n"
    assert process.returncode == 0
