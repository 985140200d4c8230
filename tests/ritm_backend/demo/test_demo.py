"""The routes of the demo, asked as the page asks them."""

import json
from dataclasses import replace
from io import BytesIO
from threading import Event

import numpy as np
import pytest
from PIL import Image

from ritm_backend.app import create_app
from ritm_backend.demo import models
from ritm_backend.model_host import ModelHost, ModelUnavailableError
from ritm_backend.settings import Settings
from ritm_model.clicks import Click
from ritm_model.errors import RitmError
from ritm_model.inference import (
    Box,
    Lasso,
    Predictor,
    PredictorOptions,
    Stroke,
    region_clicks,
    stroke_clicks,
)
from ritm_ops.pictures import PictureFetcher

FORM = "multipart/form-data"  # as the page sends it
ON_A_COIN = (101.5, 195.25, True)
ALSO_ON_IT = (106.0, 179.0, True)
BESIDE_IT = (69.0, 194.0, False)


def clicked(predictor, pixels, *clicks, mask=None):
    return predictor.replay(predictor.start(pixels, mask), [Click(*click) for click in clicks])


class TestMasks:
    def test_clicks_give_the_mask_of_the_predictor(self, ask, unpack, predictor, pixels):
        clicks = [ON_A_COIN, ALSO_ON_IT, BESIDE_IT]
        for count in (1, 2, 3):
            state = clicked(predictor, pixels, *clicks[:count])
            answer = ask(*clicks[:count]).json
            assert np.array_equal(unpack(answer, pixels.shape[:2]), state.mask)
            assert answer["score"] == pytest.approx(state.score, abs=1e-4)
        assert {"network", "encode"} <= answer["stages_ms"].keys()

    def test_a_box_gives_a_mask_that_clicks_correct(self, ask, unpack, predictor, pixels):
        box = Box(80, 172, 125, 218)
        edges = [box.left, box.top, box.right, box.bottom]
        for clicks in ([], [BESIDE_IT], [ALSO_ON_IT, BESIDE_IT]):
            state = predictor.start(pixels, region=box)
            state = predictor.replay(state, [box.centre, *(Click(*click) for click in clicks)])
            answer = ask(*clicks, box=edges).json
            assert np.array_equal(unpack(answer, pixels.shape[:2]), state.mask)

    def test_strokes_count_as_clicks_in_their_place(self, ask, unpack, predictor, pixels):
        line = [[90.0, 190.0], [112.0, 200.0]]
        stroke, away = ({"line": line, "is_positive": sign} for sign in (True, False))
        for marks in ([stroke], [ON_A_COIN, away], [away, ON_A_COIN, stroke]):
            clicks = []
            for mark in marks:
                if isinstance(mark, dict):
                    clicks += stroke_clicks(Stroke(line, mark["is_positive"]), pixels.shape[:2])
                else:
                    clicks.append(Click(*mark))
            state = predictor.replay(predictor.start(pixels), clicks)
            assert np.array_equal(unpack(ask(*marks).json, pixels.shape[:2]), state.mask)

    def test_a_lasso_gives_a_mask_that_clicks_correct(self, ask, unpack, predictor, pixels):
        ring = [[80.0, 172.0], [125.0, 172.0], [125.0, 218.0], [80.0, 218.0]]
        lasso = Lasso.of(ring)
        for clicks in ([], [BESIDE_IT]):
            made = region_clicks(lasso, [Click(*click) for click in clicks], pixels.shape[:2], always=True)
            state = predictor.replay(predictor.start(pixels, region=lasso), made)
            answer = ask(*clicks, lasso=ring).json
            assert np.array_equal(unpack(answer, pixels.shape[:2]), state.mask)

    @pytest.mark.parametrize(
        ("prompt", "sentence"),
        [
            ({"lasso": [[1, 1], [2, 2]]}, "lasso"),
            ({"lasso": [[900, 1], [950, 2], [900, 9]]}, "Nothing of the lasso lies on the 384 x 303 image"),
            ({"lasso": [[1, 1], [9, 2], [5, 9]], "box": [1, 1, 9, 9]}, "a box or a lasso, not both"),
            ({"clicks": [{"line": [], "is_positive": True}]}, "line"),
            ({"clicks": [{"line": [[900, 900]], "is_positive": True}]}, "Nothing of the stroke lies on"),
            ({"clicks": [{"line": [[1, 1]]}]}, "is_positive"),
        ],
    )
    def test_what_is_no_line_is_refused(self, ask, prompt, sentence):
        answer = ask(**prompt)
        assert answer.status_code == 400
        assert sentence in answer.json["error"]

    @pytest.mark.parametrize(
        ("box", "sentence"),
        [
            ([500, 10, 520, 20], "lies outside the 384 x 303 image"),
            ([20, 10, 10, 20], "lies outside"),
            ([20, 10, 40], "box"),
            ([-5, 10, 40, 50], "box"),
        ],
    )
    def test_a_box_that_is_none_is_refused(self, ask, box, sentence):
        answer = ask(box=box)
        assert answer.status_code == 400
        assert sentence in answer.json["error"]

    def test_a_threshold_costs_no_run(self, ask, unpack, predictor, pixels):
        ask(ON_A_COIN)
        answer = ask(ON_A_COIN, threshold=0.2).json
        state = clicked(predictor, pixels, ON_A_COIN)
        assert np.array_equal(unpack(answer, pixels.shape[:2]), state.probability > 0.2)
        assert "network" not in answer["stages_ms"]

    def test_no_pixel_above_the_threshold_is_an_empty_mask(self, ask):
        answer = ask(ON_A_COIN, threshold=0.999999).json
        assert (answer["width"], answer["height"], answer["runs"], answer["score"]) == (0, 0, "", 0)

    @pytest.mark.parametrize(
        ("zoom_in", "changes"),
        [
            (None, None),
            (
                {"fixed": True, "skip_clicks": 0, "target_size": 200, "expand_ratio": 2},
                {"target_size": (200, 200), "skip_clicks": 0, "expansion_ratio": 2},
            ),
            ({"fixed": True}, {"target_size": (400, 400)}),
            ({"target_size": None, "expand_ratio": 2}, {"expansion_ratio": 2}),
        ],
    )
    def test_zoom_in_as_chosen(self, ask, unpack, predictor, pixels, zoom_in, changes):
        sizes = {"first_size": None, "late_size": None} if changes and "target_size" in changes else {}
        usual = predictor.options.zoom_in
        expected = None if changes is None else replace(usual, **sizes, **changes)
        other = Predictor(predictor.engine, replace(predictor.options, zoom_in=expected))
        answer = ask(ON_A_COIN, ALSO_ON_IT, options={"model": "bundled", "zoom_in": zoom_in}).json
        state = clicked(other, pixels, ON_A_COIN, ALSO_ON_IT)
        assert np.array_equal(unpack(answer, pixels.shape[:2]), state.mask)

    @pytest.mark.parametrize("iterations", [1, 20])
    def test_refinement_by_backpropagation(self, ask, unpack, predictor, pixels, iterations):
        from ritm_model.inference.brs import BRS_MODES, BRSPredictor

        adaptation = BRS_MODES["RGB-BRS"].adaptation(predictor.engine.model)
        options = PredictorOptions(zoom_in=None, with_flip=False, net_clicks_limit=3)
        brs_predictor = BRSPredictor(predictor.engine, adaptation, options, evaluations=iterations)
        state = clicked(brs_predictor, pixels, ON_A_COIN, ALSO_ON_IT)
        brs = {"mode": "RGB-BRS", "network_clicks": 3, "iterations": iterations}
        answer = ask(ON_A_COIN, ALSO_ON_IT, options={"model": "bundled", "zoom_in": None, "brs": brs}).json
        assert np.array_equal(unpack(answer, pixels.shape[:2]), state.mask)

    def test_refinement_is_ended_when_its_time_is_over(self, ask, unpack, predictor, pixels, monkeypatch):
        from ritm_model.inference.brs import BRS_MODES, BRSPredictor

        monkeypatch.setattr(models, "BRS_SECONDS", 0)
        brs = {"mode": "RGB-BRS", "network_clicks": 1, "iterations": 1000}
        disagreed = (*ALSO_ON_IT[:2], False)
        answer = ask(ON_A_COIN, disagreed, options={"model": "bundled", "zoom_in": None, "brs": brs}).json
        assert "BRS was ended after" in answer["message"]
        adaptation = BRS_MODES["RGB-BRS"].adaptation(predictor.engine.model)
        options = PredictorOptions(zoom_in=None, with_flip=False, net_clicks_limit=1)
        once = clicked(
            BRSPredictor(predictor.engine, adaptation, options, seconds=0), pixels, ON_A_COIN, disagreed
        )
        assert np.array_equal(unpack(answer, pixels.shape[:2]), once.mask)
        assert ask(ON_A_COIN, ALSO_ON_IT).json["message"] == ""

    def test_a_whole_photograph_is_shown_no_larger_than_a_target_size(self, ask, predictor, monkeypatch):
        shown = []

        def run(image_BCHW, points_BP3, run=predictor.engine.run):
            shown.append(max(image_BCHW.shape[2:]))
            return run(image_BCHW, points_BP3)

        monkeypatch.setattr(models, "LARGEST_SIZE", 128)
        monkeypatch.setattr(predictor.engine, "run", run)
        whole = {"model": "bundled", "zoom_in": None}
        assert ask((150.0, 150.0, True), options=whole).status_code == 200
        assert set(shown) <= {128}

    def test_a_mask_is_shown_as_it_is_and_corrected(self, ask, client, unpack, predictor, pixels):
        numbered_HW = np.zeros(pixels.shape[:2], np.uint8)
        numbered_HW[180:215, 85:120] = 1
        numbered_HW[20:60, 20:60] = 2
        picture = BytesIO()
        Image.fromarray(numbered_HW).save(picture, "PNG")

        file = client.post("/demo/masks", data=picture.getvalue()).json
        assert (file["width"], file["height"], file["values"]) == (*pixels.shape[1::-1], [1, 2])
        first = numbered_HW == 1
        shown = ask(start={"file": file["id"], "value": 1}).json
        assert np.array_equal(unpack(shown, first.shape), first)
        corrected = ask(BESIDE_IT, start={"file": file["id"], "value": 1}).json
        expected = clicked(predictor, pixels, BESIDE_IT, mask=first).mask
        assert np.array_equal(unpack(corrected, first.shape), expected)
        other = ask(start={"file": file["id"], "value": 2}).json
        assert np.array_equal(unpack(other, first.shape), numbered_HW == 2)


class TestFiles:
    def test_a_lost_file_is_asked_for_and_sent_along(self, serve, photo):
        digest = serve().post("/demo/images", data=photo).json["id"]
        prompt = json.dumps(self.prompt(digest))
        restarted = serve()
        answer = restarted.post("/demo/click", data={"prompt": prompt}, content_type=FORM)
        assert (answer.status_code, answer.json["missing"]) == (409, digest)
        sent = {"prompt": prompt, "file": (BytesIO(photo), "photo")}
        assert restarted.post("/demo/click", data=sent).status_code == 200
        assert restarted.post("/demo/click", data={"prompt": prompt}, content_type=FORM).status_code == 200

    def test_an_unknown_picture_is_missing(self, client):
        answer = client.post(
            "/demo/click", data={"prompt": json.dumps(self.prompt("1" * 64))}, content_type=FORM
        )
        assert (answer.status_code, answer.json["missing"]) == (409, "1" * 64)

    def test_the_picture_comes_back_for_browsers_that_cannot_read_it(self, client):
        drawn = Image.fromarray(np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8))
        tiff = BytesIO()
        drawn.save(tiff, "TIFF")
        opened = client.post("/demo/images", data=tiff.getvalue()).json
        assert (opened["width"], opened["height"]) == (30, 20)
        png = client.get(f"/demo/images/{opened['id']}")
        assert png.mimetype == "image/png"
        assert np.array_equal(np.asarray(Image.open(BytesIO(png.data))), np.asarray(drawn))

    def test_too_large_files_are_refused(self, serve, photo):
        for path in ("/demo/images", "/demo/masks"):
            answer = serve(image_max_mb=0.01).post(path, data=photo)
            assert (answer.status_code, answer.json) == (400, {"error": "The file is larger than 0.01 MB."})
        another = photo + b"\0"  # whose pixels are not held yet
        answer = serve(image_max_megapixels=0.1).post("/demo/images", data=another)
        assert answer.status_code == 400
        assert "megapixels" in answer.json["error"]

    def test_what_is_no_picture_is_refused_by_a_sentence(self, client):
        answer = client.post("/demo/images", data=b"<svg onload=alert(1)>")
        assert answer.status_code == 400
        assert answer.json["error"].endswith(".")

    def test_the_opening_picture(self, serve, photo, tmp_path):
        path = tmp_path / "my photo.jpg"
        path.write_bytes(photo)
        client = serve(demo_image=path)
        assert client.get("/demo/config").json["opening"] == "my photo.jpg"
        assert client.get("/demo/opening").data == photo

    def test_no_opening_picture(self, client):
        assert client.get("/demo/opening").status_code == 404

    def prompt(self, image):
        options = {"model": "bundled", "zoom_in": None}
        return {"image": image, "clicks": [ON_A_COIN], "threshold": 0.5, "options": options}


class TestRefusals:
    @pytest.mark.parametrize(
        "changed",
        [
            {"image": "../../etc/passwd"},
            {"clicks": [[1, 2]]},
            {"clicks": [[-1, 2, True]]},
            {"clicks": [[1, 2, True]] * 1001},
            {"clicks": None},
            {"threshold": 0},
            {"threshold": "NaN"},
            {"options": {"model": "bundled"}},
            {"options": {"model": "bundled", "zoom_in": {"target_size": 100_000}}},
            {"options": {"model": "bundled", "zoom_in": None, "brs": {"mode": "none"}}},
            {"options": {"model": "bundled", "zoom_in": None, "brs": {"mode": "f-BRS-B", "iterations": 0}}},
            {"start": {"file": "x"}},
            {"more": 1},
        ],
    )
    def test_a_prompt_that_is_none(self, ask, changed):
        answer = ask(ON_A_COIN, **changed)
        assert answer.status_code == 400
        assert answer.json["error"].startswith("The request cannot be understood: ")

    @pytest.mark.parametrize("data", [{}, {"prompt": "{"}, {"prompt": "[]"}, {"prompt": "9" * 5000}])
    def test_a_body_that_holds_none(self, client, data):
        assert client.post("/demo/click", data=data, content_type=FORM).status_code == 400

    @pytest.mark.parametrize("click", [(384, 10, True), (10, 303, True), (1e6, 1e6, False)])
    def test_clicks_beside_the_picture(self, ask, click):
        answer = ask(click)
        assert (answer.status_code, answer.json) == (
            400,
            {"error": "A click lies outside the 384 x 303 image."},
        )

    @pytest.mark.parametrize("model", ["other", "/etc/passwd", "../weights/starter.safetensors", ""])
    def test_only_models_of_the_list(self, ask, model):
        answer = ask(ON_A_COIN, options={"model": model, "zoom_in": None})
        assert (answer.status_code, answer.json) == (
            400,
            {"error": "There is no such model on this server."},
        )

    def test_a_mask_of_another_size(self, ask, client):
        picture = BytesIO()
        Image.fromarray(np.eye(9, dtype=bool)).save(picture, "PNG")
        file = client.post("/demo/masks", data=picture.getvalue()).json
        answer = ask(start={"file": file["id"], "value": 255})
        assert answer.status_code == 400
        assert answer.json["error"] == "The mask is 9 x 9, the image 384 x 303 pixels large."

    def test_pages_of_other_sites(self, client, photo):
        for site in ("cross-site", "same-site"):
            answer = client.post("/demo/images", data=photo, headers={"Sec-Fetch-Site": site})
            assert answer.status_code == 403
        own = client.post("/demo/images", data=photo, headers={"Sec-Fetch-Site": "same-origin"})
        assert own.status_code == 200


class TestStatus:
    def test_the_model_and_what_is_held(self, ask, client, predictor):
        ask(ON_A_COIN)
        status = client.get("/demo/status").json
        assert (status["ready"], status["failure"]) == (True, None)
        assert (status["model_version"], status["device"]) == (predictor.engine.name, "cpu")
        assert status["engine"] == type(predictor.engine).__name__
        assert status["annotator"]["cached_images"] >= 1
        assert status["annotator"]["clicks_run"] >= 1

    def test_a_model_that_is_being_loaded_and_then_cannot_be(self):
        may_fail = Event()

        def load():
            may_fail.wait(60)
            raise RitmError("The file is damaged.")

        host = ModelHost(load, "mine")
        host.start()
        settings = Settings()
        client = create_app(settings, host, PictureFetcher(settings.picture_access)).test_client()
        status = client.get("/demo/status").json
        assert (status["ready"], status["failure"], status["model_version"]) == (False, None, "mine")
        may_fail.set()
        with pytest.raises(ModelUnavailableError):
            host.annotator(60)
        status = client.get("/demo/status").json
        assert (status["ready"], status["failure"]) == (
            False,
            "The model mine could not be loaded: The file is damaged.",
        )

    def test_answers_are_counted_and_problems_kept(self, ask, client):
        ask(ON_A_COIN)
        ask((9999, 1, True))
        client.get("/nowhere")
        status = client.get("/demo/status").json
        assert sum(status["latency_ms"]["counts"]) == 1
        assert len(status["latency_ms"]["counts"]) == len(status["latency_ms"]["up_to"]) + 1
        newest, older = status["problems"]
        assert (newest["path"], newest["status"]) == ("/nowhere", 404)
        assert (older["sentence"], older["error_id"]) == (
            "A click lies outside the 384 x 303 image.",
            None,
        )

    def test_a_fault_is_shown_by_its_id_only(self, ask, client, predictor, monkeypatch):
        def fault(*_):
            raise ValueError("a secret")

        monkeypatch.setattr(predictor, "click_together", fault)
        answer = ask((7.25, 7.25, True))
        assert answer.status_code == 500
        (problem,) = client.get("/demo/status").json["problems"]
        assert problem["error_id"] in answer.json["error"]
        assert "secret" not in json.dumps(problem)

    def test_it_needs_the_password_too(self, serve):
        assert serve(basic_auth_user="user", basic_auth_pass="pass").get("/demo/status").status_code == 401
