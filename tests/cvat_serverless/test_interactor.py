"""Sessions over stateless calls: the same masks as the predictor gives, with one run for one more click."""

import numpy as np
import numpy.typing as npt
import pytest

from cvat_serverless.interactor import MAX_CLICKS, BoxPrompt, Interactor, Segmentation, split_objects
from cvat_serverless.request import InteractionError, Prompts
from ritm_model.clicks import Click
from ritm_model.inference import Annotator, Box, Predictor

Image = npt.NDArray[np.uint8]

P1, P2 = Click(320, 220), Click(250, 240)
N1 = Click(60, 60, is_positive=False)
SEQUENCE = (P1, N1, P2, Click(400, 200))


def prompts(*clicks: Click, boxes: tuple[Box, ...] = (), threshold: float | None = None) -> Prompts:
    return Prompts(
        tuple(c for c in clicks if c.is_positive),
        tuple(c for c in clicks if not c.is_positive),
        boxes,
        threshold,
    )


class Session:
    """An interactor with the counts of its annotator."""

    def __init__(self, predictor: Predictor, image_HW3: Image) -> None:
        self.annotator = Annotator(predictor)
        self.interactor = Interactor(self.annotator, min_region_pixels=0)
        self.image_HW3 = image_HW3

    def ask(self, asked: Prompts, key: str = "bus") -> Segmentation:
        return self.interactor.segment(key, lambda: self.image_HW3, asked)

    @property
    def runs(self) -> int:
        return self.annotator.stats().clicks_run


@pytest.fixture
def session(predictor: Predictor, bus_HW3: Image) -> Session:
    return Session(predictor, bus_HW3)


def test_click_by_click_equals_the_predictor_with_one_run_each(
    session: Session, predictor: Predictor, bus_HW3: Image
) -> None:
    state = predictor.start(bus_HW3)
    for n in range(1, len(SEQUENCE) + 1):
        state = predictor.click(state, SEQUENCE[n - 1])

        (segment,) = session.ask(prompts(*SEQUENCE[:n])).segments

        assert (segment.mask == state.mask).all()
        assert segment.confidence == pytest.approx(state.score)
        assert session.runs == n


def test_the_order_between_the_lists_matters_and_is_kept(
    session: Session, predictor: Predictor, bus_HW3: Image
) -> None:
    """Were all positive clicks replayed first, the mask would be another one."""
    for n in range(1, len(SEQUENCE) + 1):
        found = session.ask(prompts(*SEQUENCE[:n]))
    positives_first = sorted(SEQUENCE, key=lambda click: not click.is_positive)
    other = predictor.replay(predictor.start(bus_HW3), positives_first)

    assert (found.segments[0].mask == predictor.replay(predictor.start(bus_HW3), SEQUENCE).mask).all()
    assert (found.segments[0].mask != other.mask).any()


def test_a_removed_click_is_replayed_without_it(
    session: Session, predictor: Predictor, bus_HW3: Image
) -> None:
    for n in range(1, len(SEQUENCE) + 1):
        session.ask(prompts(*SEQUENCE[:n]))

    found = session.ask(prompts(P1, P2, SEQUENCE[3]))

    expected = predictor.replay(predictor.start(bus_HW3), (P1, P2, SEQUENCE[3]))
    assert (found.segments[0].mask == expected.mask).all()


def test_undoing_the_last_click_costs_nothing(session: Session) -> None:
    before = session.ask(prompts(P1))
    session.ask(prompts(P1, N1))

    again = session.ask(prompts(P1))

    assert (again.segments[0].mask == before.segments[0].mask).all()
    assert session.runs == 2


def test_another_worker_gives_a_mask_for_the_same_clicks(
    session: Session, predictor: Predictor, bus_HW3: Image
) -> None:
    """It never saw the earlier calls: the positive click that came first leads, then turns are taken."""
    found = session.ask(prompts(*SEQUENCE))

    expected = predictor.replay(predictor.start(bus_HW3), (P1, N1, P2, SEQUENCE[3]))
    assert (found.segments[0].mask == expected.mask).all()


def test_a_second_object_on_the_frame_loads_it_once(session: Session) -> None:
    session.ask(prompts(P1))
    session.ask(prompts(P1, N1))
    session.ask(prompts(Click(100, 300)))

    assert session.annotator.stats().images_loaded == 1
    assert session.runs == 3


def test_nothing_to_look_for_runs_nothing(session: Session) -> None:
    assert session.ask(prompts()).segments == ()
    assert session.ask(prompts(N1)).segments == ()
    assert session.runs == 0


def test_clicks_off_the_frame_count_for_its_edge(session: Session) -> None:
    far = session.ask(prompts(P1, Click(640, 427), Click(-3, 900)))
    edge = session.ask(prompts(P1, Click(639, 426), Click(0, 426)))

    assert (far.segments[0].mask == edge.segments[0].mask).all()
    assert session.runs == 3


def test_a_threshold_cuts_the_probabilities(session: Session, predictor: Predictor, bus_HW3: Image) -> None:
    state = predictor.click(predictor.start(bus_HW3), P1)

    (segment,) = session.ask(prompts(P1, threshold=0.7)).segments

    assert (segment.mask == (state.probability > 0.7)).all()
    assert segment.mask.sum() < state.mask.sum()


class TestBoxes:
    box = Box(200, 130, 460, 330)
    other = Box(20, 250, 160, 400)

    def test_a_box_alone_is_looked_into_with_a_click_in_its_middle(
        self, session: Session, predictor: Predictor, bus_HW3: Image
    ) -> None:
        (segment,) = session.ask(prompts(boxes=(self.box,))).segments

        state = predictor.click(predictor.start(bus_HW3, region=self.box), Click(330, 230))
        assert (segment.mask == state.mask).all()

    def test_a_click_corrects_the_mask_that_the_box_gave(
        self, session: Session, predictor: Predictor, bus_HW3: Image
    ) -> None:
        session.ask(prompts(boxes=(self.box,)))
        (segment,) = session.ask(prompts(P2, boxes=(self.box,))).segments

        state = predictor.replay(predictor.start(bus_HW3, region=self.box), (self.box.centre, P2))
        assert (segment.mask == state.mask).all()
        assert session.runs == 2

    def test_each_of_several_boxes_is_an_object(self) -> None:
        inside_other = Click(90, 320)

        objects = split_objects((P1, N1, inside_other), (self.box, self.other))

        assert objects == [
            BoxPrompt((self.box.centre, P1, N1), self.box),
            BoxPrompt((self.other.centre, N1, inside_other), self.other),
        ]

    def test_a_click_in_no_box_belongs_to_the_nearest(self) -> None:
        beside = Click(470, 230)

        objects = split_objects((beside,), (self.other, self.box))

        assert [asked.clicks for asked in objects] == [
            (self.other.centre,),
            (self.box.centre, beside),
        ]

    def test_a_click_in_several_boxes_belongs_to_the_smallest(self) -> None:
        inner = Box(300, 200, 340, 240)

        objects = split_objects((P1,), (self.box, inner))

        assert [len(asked.clicks) for asked in objects] == [1, 2]

    def test_two_boxes_give_two_shapes(self, session: Session) -> None:
        found = session.ask(prompts(boxes=(self.box, self.other)))

        assert session.runs == 2
        assert len(found.segments) == 2

    def test_negative_clicks_belong_to_every_box_so_that_few_are_many(self, session: Session) -> None:
        boxes = tuple(Box(60 * i, 100, 60 * i + 50, 150) for i in range(10))
        n_runs_each = MAX_CLICKS // len(boxes)
        negatives = tuple(Click(i, 400, is_positive=False) for i in range(n_runs_each))

        with pytest.raises(
            InteractionError, match=rf"makes 70 clicks over all boxes; at most {MAX_CLICKS} are"
        ):
            session.ask(prompts(*negatives, boxes=boxes))
        assert session.runs == 0
        session.ask(prompts(*negatives[: -n_runs_each + 1], boxes=boxes[:2]))
        assert session.runs == 4

    @pytest.mark.parametrize(
        "box", [Box(700, 100, 800, 200), Box(-50, -50, -10, -10), Box(100, 100, 100, 200)]
    )
    def test_a_box_without_a_pixel_of_the_frame_is_none(self, session: Session, box: Box) -> None:
        assert session.ask(prompts(boxes=(box,))).segments == ()

    def test_a_box_is_cut_at_the_edge(self, session: Session) -> None:
        beyond = session.ask(prompts(boxes=(Box(-40, 250, 160, 500),)))
        cut = session.ask(prompts(boxes=(Box(0, 250, 160, 427),)))

        assert [s.mask.tolist() for s in beyond.segments] == [s.mask.tolist() for s in cut.segments]
        assert session.runs == 1
