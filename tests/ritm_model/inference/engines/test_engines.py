"""Every engine answers as the network itself does, and is refused in one sentence where it cannot."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import numpy as np
import onnxruntime
import pytest
import torch
from click.testing import CliRunner

from ritm_model.checkpoints import bundled_model_path, load_model
from ritm_model.cli.models import models
from ritm_model.clicks import Click
from ritm_model.inference import Predictor, TorchEngine, open_predictor
from ritm_model.inference.engines.choice import engine_for
from ritm_model.inference.engines.compiled import CompiledEngine
from ritm_model.inference.engines.cuda_graphs import GraphPerSize, Segment
from ritm_model.inference.engines.graph import EngineError
from ritm_model.inference.engines.openvino import OpenVinoEngine, converted, open_openvino
from ritm_model.inference.engines.torch_engine import Engine
from ritm_model.networks import InteractiveModel, build

pytestmark = pytest.mark.slow

TOLERANCE = 1e-4  # of logits; the paper's code itself differs by 2e-5 between thread counts
UNUSED = [-1.0, -1.0, -1.0]


@pytest.fixture(scope="module")
def model() -> InteractiveModel:
    return load_model(bundled_model_path()).requires_grad_(False)


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bundled model as somebody's own file."""
    folder = tmp_path_factory.mktemp("weights")
    for suffix in (".safetensors", ".json"):
        shutil.copy(bundled_model_path().with_suffix(suffix), folder)
    return folder / bundled_model_path().name


@pytest.fixture(scope="module")
def by_openvino(model: InteractiveModel, weights: Path) -> OpenVinoEngine:
    return open_openvino(model, weights, "starter-1")


def question(size: tuple[int, int], count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """An image with a previous mask, and `count` clicks of each kind, of which some are unused."""
    height, width = size
    random = torch.Generator().manual_seed(count)
    image_BCHW = torch.rand(1, 4, height, width, generator=random)
    points_BP3 = torch.rand(1, 2 * count, 3, generator=random) * torch.tensor([height, width, 1.0])
    points_BP3[:, count - 1] = torch.tensor(UNUSED)
    return image_BCHW, points_BP3


@pytest.mark.parametrize(("size", "count"), [((96, 128), 3), ((225, 400), 1), ((400, 133), 12)])
def test_openvino_answers_for_all_sizes_and_numbers_of_clicks(
    model: InteractiveModel,
    by_openvino: OpenVinoEngine,
    size: tuple[int, int],
    count: int,
    record_testsuite_property: Callable[[str, object], None],
) -> None:
    asked = question(size, count)
    expected = model(*asked)["instances"]
    answered = by_openvino.run(*asked)
    error = float((answered - expected).abs().max())
    record_testsuite_property(f"max_error/openvino/{size[0]}x{size[1]}", error)
    assert answered.shape == expected.shape
    assert error <= TOLERANCE


def test_openvino_equals_the_golden_logits(
    golden: Path, seeded_model: Callable[[str], InteractiveModel]
) -> None:
    model = seeded_model("h18s_itm")
    engine = OpenVinoEngine(converted(model), model)
    for case in "ab":
        with np.load(golden / f"logits_input_{case}.npz") as inputs:
            asked = [torch.from_numpy(inputs[name]) for name in ("image4", "points")]
        with np.load(golden / "logits_h18s_itm.npz") as expected:
            error = np.abs(engine.run(*asked).numpy() - expected[f"{case}_instances"]).max()
        assert error <= TOLERANCE


def test_the_compiled_engine_answers_several_threads(model: InteractiveModel) -> None:
    """Compiling takes minutes, so what would be compiled runs uncompiled here."""
    engine = CompiledEngine(model, name="starter-1")
    asked = [question((96, 128), 2), question((60, 70), 1)]
    with torch.compiler.set_stance("force_eager"), ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda one: engine.run(*one), asked))
    for one, answer in zip(asked, answers, strict=True):
        assert torch.allclose(answer, model(*one)["instances"], atol=TOLERANCE)


def test_sizes_that_are_met_again_get_a_graph_and_those_met_longest_ago_lose_it() -> None:
    """No GPU is needed to choose; `bench/gpu.py` compares the answers of real graphs."""
    recorded: list[int] = []

    def recorder(segment: Segment, image_BCHW: torch.Tensor, _: torch.Tensor) -> Segment:
        recorded.append(image_BCHW.shape[3])
        return lambda image_BCHW, maps_BMHW: -segment(image_BCHW, maps_BMHW)

    run = GraphPerSize(lambda image_BCHW, _: image_BCHW[:, :1], 2, recorder)

    def is_by_graph(width: int) -> bool:
        return run(torch.ones(1, 3, 32, width), torch.ones(1, 3, 32, width)).min().item() < 0

    assert [is_by_graph(width) for width in (32, 64, 32, 32, 64)] == [False, False, True, True, True]
    assert recorded == [32, 64]
    assert [is_by_graph(width) for width in (96, 64, 32)] == [False, True, False], "32 was met longest ago"
    assert is_by_graph(32)
    assert recorded == [32, 64, 32]


def test_openvino_answers_several_threads_at_once(by_openvino: OpenVinoEngine) -> None:
    asked = [question((96 + 8 * index, 128), count=1 + index) for index in range(6)]
    alone = [by_openvino.run(*each) for each in asked]
    everybody_is_in = Barrier(len(asked))

    def ask(index: int) -> torch.Tensor:
        everybody_is_in.wait(timeout=60)
        return by_openvino.run(*asked[index])

    with ThreadPoolExecutor(len(asked)) as pool:
        together = list(pool.map(ask, range(len(asked))))
    for one, other in zip(together, alone, strict=True):
        assert torch.allclose(one, other, atol=TOLERANCE)


def test_a_batch_is_answered_as_its_images_are(by_openvino: OpenVinoEngine) -> None:
    image_BCHW, points_BP3 = question((64, 80), 2)
    both = by_openvino.run(image_BCHW.repeat(2, 1, 1, 1), points_BP3.repeat(2, 1, 1))
    one = by_openvino.run(image_BCHW, points_BP3)
    assert torch.allclose(both, one.expand_as(both), atol=TOLERANCE)


def test_clicks_give_the_masks_of_torch(model: InteractiveModel, by_openvino: OpenVinoEngine, photo) -> None:
    image_HW3 = photo("coins")
    masks = []
    for engine in (by_openvino, TorchEngine(model)):
        predictor = Predictor(engine)
        state = predictor.replay(predictor.start(image_HW3), (Click(150, 100), Click(40, 40, False)))
        masks.append(state.mask)
    assert masks[1].any()
    assert (masks[0] != masks[1]).sum() <= 2, "rounding may move pixels that lie at the threshold"


def test_the_conversion_is_kept_beside_the_weights(
    model: InteractiveModel, by_openvino: OpenVinoEngine, weights: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (kept,) = weights.parent.glob("starter-1.openvino-*.xml")
    before = kept.stat().st_mtime_ns
    asked = question((96, 128), 2)
    again = open_openvino(model, weights, "starter-1")
    assert kept.stat().st_mtime_ns == before
    assert torch.allclose(again.run(*asked), by_openvino.run(*asked), atol=TOLERANCE)

    kept.write_bytes(kept.read_bytes()[:1000])
    repaired = open_openvino(model, weights, "starter-1")
    assert "damaged" in caplog.text
    assert torch.allclose(repaired.run(*asked), by_openvino.run(*asked), atol=TOLERANCE)
    assert kept.stat().st_size > 1000


def test_the_choice_is_measured_and_says_why(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "ritm_model")
    chosen = open_predictor(str(weights), "cpu", engine="auto").engine
    (line,) = (record.getMessage() for record in caplog.records if " runs on " in record.getMessage())
    assert "ms by openvino" in line
    assert "ms by torch" in line
    assert (" runs on openvino:" in line) == isinstance(chosen, OpenVinoEngine)


def test_without_a_place_to_write_the_conversion_goes_to_the_cache_or_is_not_kept(
    model: InteractiveModel,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    nowhere = Path("/proc/read-only/model.safetensors")
    monkeypatch.setenv("RITM_MODELS", str(tmp_path / "models"))
    open_openvino(model, nowhere, "v1")
    assert list((tmp_path / "openvino").glob("v1.openvino-*.bin"))
    assert not caplog.text

    monkeypatch.setenv("RITM_MODELS", "/proc/read-only/models")
    open_openvino(model, nowhere, "v1")
    assert "cannot be kept" in caplog.text


def test_a_signal_is_survived_after_an_engine_is_released_in_another_thread(weights: Path) -> None:
    """OpenVINO frees the stack for signals that it gave to the thread which compiled first."""
    program = """
import faulthandler, gc, signal, subprocess, sys, threading
from pathlib import Path
from ritm_model.checkpoints import load_model
from ritm_model.inference.engines.openvino import open_openvino

faulthandler.enable()
weights = Path(sys.argv[1])
engines = [open_openvino(load_model(weights), weights, "starter-1")]
released = threading.Thread(target=lambda: (engines.clear(), gc.collect()))
released.start()
released.join()
signal.signal(signal.SIGCHLD, lambda *_: None)
subprocess.run(["true"], check=True)
"""
    subprocess.run([sys.executable, "-c", program, str(weights)], check=True, timeout=120)


def test_nothing_is_sent_home(by_openvino: OpenVinoEngine) -> None:
    assert sys.modules["openvino_telemetry"] is None


def refusal(kind: str, model: InteractiveModel, device: str = "cpu") -> str:
    with pytest.raises(EngineError) as caught:
        engine_for(model, Path("/proc/none/model.safetensors"), device, "v1", kind)
    return str(caught.value)


def test_what_cannot_be_is_refused_in_a_sentence(
    model: InteractiveModel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert refusal("fast", model) == (
        "There is no engine 'fast'; known ones are auto, torch, compile, openvino."
    )
    assert "runs on the CPU" in refusal("openvino", model, "cuda")
    with_distances = build(model.family, {**model.params, "use_disks": False}).eval()
    assert "distances" in refusal("openvino", with_distances)
    # "auto" takes what is left.
    assert isinstance(engine_for(with_distances, Path("/proc/no"), "cpu", "v1", "auto"), TorchEngine)
    assert "distances" in caplog.text

    monkeypatch.setitem(sys.modules, "openvino", None)
    assert "pip install 'ritm[openvino]'" in refusal("openvino", model)


def test_onnx_runtime_answers_as_the_network(model: InteractiveModel, tmp_path: Path) -> None:
    path = tmp_path / "out" / "model.onnx"
    done = CliRunner().invoke(models, ["export", "bundled", str(path), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.output)["path"] == str(path)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size, count in (((96, 128), 3), ((150, 100), 1)):
        image_BCHW, points_BP3 = question(size, count)
        (logits,) = session.run(None, {"image": image_BCHW.numpy(), "points": points_BP3.numpy()})
        expected = model(image_BCHW, points_BP3)["instances"]
        assert np.abs(logits - expected.numpy()).max() <= TOLERANCE


def test_export_wants_the_suffix(tmp_path: Path) -> None:
    done = CliRunner().invoke(models, ["export", "bundled", str(tmp_path / "model.pt")])
    assert done.exit_code == 2
    assert "must end in .onnx" in done.output


def test_engines_have_one_face(by_openvino: OpenVinoEngine) -> None:
    engine: Engine = by_openvino
    assert engine.with_prev_mask
    assert engine.name == "starter-1"
