"""The job: collect the team's labels, learn from them, measure, and publish what has become better.

    collect         labels and images become one data set of the COCO-RLE layout
    split           each image goes to the side that follows from its bytes
    measure before  the model that is live, on the held-out objects
    learn           by the recipe `finetune`, from the live model, with a share of replayed data
    measure after   the new model, on the same objects
    publish         only if it is certain that fewer clicks are needed; then it is made live

Every stage is done once: its finding stands in the ledger of the job's folder, learning keeps checkpoints
there, and measuring each result. However an attempt ends, the next one goes on from there. What others see,
the registry, is changed at the very end: a version is written whole, under a name that follows from its
weights, and one conditional write makes it live.
"""

from __future__ import annotations

import json
import shutil
import signal
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rq import Retry, get_current_job

from ritm_model.checkpoints import load_model, read_card, resolve_model, save_model
from ritm_model.errors import RitmError
from ritm_model.files import write_file
from ritm_model.learning.loop.stopping import RunStopped, stop_on
from ritm_model.learning.recipes import Recipe, load_recipe
from ritm_model.learning.recipes.loading import parse_recipe, recipe_yaml
from ritm_ops.jobs.protocol import LIVE, Outcome
from ritm_ops.jobs.queue import JobQueue, connect
from ritm_ops.object_store import ConflictError, ObjectStore, StoreError, open_store
from ritm_ops.registry import RefusedError, Registry, RegistryError
from ritm_ops.registry.filmstrips import write_filmstrips
from ritm_ops.registry.trials import Trials
from training.decision import decide
from training.exports import NoLabelsError, Options, Whose, collect
from training.leaving import Leaving, leave
from training.ledger import Ledger, work_folder
from training.measure import Measured, compare_measured, held_out_objects, measure
from training.notify import tell_of_end
from training.pipelines.serving import check_source, served
from training.progress import Progress
from training.reports.filmstrips import draw_filmstrips
from training.reports.report import report_of
from training.retention import check_room, ended_in, tidy
from training.settings import TrainingSettings
from training.split import HELD_OUT, LEARNT, TooFewLabelsError, divide_dataset
from training.tried import Tried

TELLING_SECONDS = 1


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked for: a job's id, where the labels lie, and which version to go on from."""

    id: str
    source: str
    base: str = LIVE


@dataclass(frozen=True, slots=True)
class Base:
    """What a job goes on from: its version, its file, and the version that is live meanwhile, if any is."""

    version: str
    weights: str
    live: str | None


@dataclass(frozen=True, slots=True)
class Ending:
    """How a job has finished: a sentence, and the version that it has made live, if any."""

    outcome: Outcome
    message: str
    version: str | None = None


def run(source: str, base: str) -> Retry | None:
    """What RQ calls, in a process of its own, which is told by SIGTERM to give the job back.

    Returns:
        What has RQ put the job back at the front of the queue, if it was told so.

    Raises:
        RitmError: the reason why the job ends; of those that may pass, RQ tries again.
    """
    job = get_current_job()
    assert job is not None
    settings = served(job.origin)
    with work_folder(settings.folder, job.id) as folder:
        progress = Progress(folder / "log.txt", job, connect(settings.redis, TELLING_SECONDS))
        try:
            signal.signal(signal.SIGTERM, leave)
            check_source(settings, source)
            if settings.quota_mb is not None:
                queue = JobQueue(connect(settings.redis), pipeline=settings.pipeline)
                check_room(settings.folder, settings.quota_mb << 20, ended_in([queue]), job.id)
            finetune(Order(job.id, source, base), settings, folder, progress)
        except Leaving:
            progress.say("The worker is being stopped; the next free one goes on with the job.")
            return Retry(max=sys.maxsize, enqueue_at_front=True)
        except StoreError as error:  # may pass: RQ tries again after a pause
            progress.say(str(error))
            raise
        except RitmError as error:
            job.retries_left = 0  # it would end in the same way again
            progress.say(str(error))
            raise
        except OSError as error:
            progress.say(f"The job's folder cannot be used: {error.strerror}.")
            raise
        except Exception as error:
            progress.say(f"The job failed ({type(error).__name__}); the worker's log says where.")
            raise
    return None


def finetune(order: Order, settings: TrainingSettings, folder: Path, progress: Progress) -> Ending:
    """Do a job, or what is left of it.

    Args:
        order: what is asked for.
        settings: of the worker.
        folder: of this job, as an earlier attempt has left it.
        progress: hears how it goes.

    Raises:
        RitmError: one sentence that says why the job ends.
    """
    ledger = Ledger(folder)
    ending = Ending(**ledger.once("end", lambda: asdict(_ending(order, settings, folder, ledger, progress))))
    progress.ended(ending.outcome, ending.version, ending.message)
    if not settings.keep:
        tidy(folder)
    ledger.once("tell", lambda: tell_of_end(settings, order.id, ending.outcome, ending.message))
    return ending


def _ending(
    order: Order, settings: TrainingSettings, folder: Path, ledger: Ledger, progress: Progress
) -> Ending:
    try:
        return _all_stages(order, settings, folder, ledger, progress)
    except (NoLabelsError, TooFewLabelsError) as error:  # nothing is broken: more labels will come
        return Ending("too few labels", str(error))


def _all_stages(
    order: Order, settings: TrainingSettings, folder: Path, ledger: Ledger, progress: Progress
) -> Ending:
    store = open_store(settings.registry_uri, timeout_seconds=settings.store_seconds)
    registry = Registry(store)
    base = Base(**ledger.once("base", lambda: asdict(find_base(order, settings, registry, folder))))
    data = folder / "data"

    def collected() -> str:
        progress.say(f"Collecting labels from {order.source}.")
        shutil.rmtree(data, ignore_errors=True)  # what an interrupted attempt has left
        found = collect(
            order.source,
            data,
            images=settings.access_for(order.source),
            options=_options(settings),
            progress=lambda done, total: progress.at("collect", done / max(total, 1)),
        )
        progress.say(
            f"Collected {found.objects} objects of {found.photographs} images; {found.left_out} things were "
            "left out, as conversion.json in the job's folder says."
        )
        for reason, count in sorted(found.unused.items()):
            progress.say(f"Not used: {count} annotations {reason}.")
        return found.fingerprint

    with progress.stage("collect"):
        fingerprint: str = ledger.once("collect", collected)
    with progress.stage("split"):
        counts = ledger.once(
            "split", lambda: asdict(divide_dataset(data, settings.held_out, settings.least_objects))
        )
    asked = ledger.once("recipe", lambda: recipe_yaml(recipe_of(settings, base)))
    recipe = parse_recipe(asked, "the recipe of the job")
    tried = Tried.of(settings, fingerprint, base.version, recipe)
    if (earlier := tried.found(registry, settings.publishing)) is not None:
        return Ending("nothing new", earlier)

    before = measured("before", Path(base.weights), base.version, settings, folder, progress)
    model = in_half(learn(recipe, data, folder / "run", settings.processes, progress))
    after = measured(
        "after", model, f"{settings.model}-{read_card(model).sha256[:8]}", settings, folder, progress
    )
    comparisons = compare_measured(before, after)
    decision = decide(comparisons, settings.margin)
    report = report_of(
        order.id, order.source, base.version, fingerprint, counts, before, after, comparisons, decision
    )
    write_file(folder / "report.json", json.dumps(report, indent=1))
    with progress.stage("publish"):
        if not decision.publish:
            tried.note(order.id, decision.reason)
            return Ending("not better", decision.reason)
        tried.note(order.id, decision.reason, read_card(model).sha256)
        strips = None
        if settings.publishing != "automatic" and settings.filmstrips:
            strips = drawn((Path(base.weights), before), (model, after), settings, folder, progress)
        return publish(store, settings, model, base, report, order, strips)


def find_base(order: Order, settings: TrainingSettings, registry: Registry, folder: Path) -> Base:
    """The version to go on from, copied into the job's folder; with none live, the model of the settings."""
    live = registry.live(settings.model)
    live_version = live.version if live else None
    wanted = live_version if order.base == LIVE else order.base
    if wanted is None:
        path = resolve_model(settings.base)
        return Base(f"{path.stem}-{read_card(path).sha256[:8]}", str(path), None)
    fetched = registry.fetch(settings.model, wanted, settings.folder / "models")
    own = folder / "base" / fetched.name
    own.parent.mkdir(exist_ok=True)
    for file in (fetched, fetched.with_suffix(".json")):
        shutil.copy(file, own.parent)
    return Base(wanted, str(own), live_version)


def recipe_of(settings: TrainingSettings, base: Base) -> Recipe:
    """The recipe of the settings, applied to the base and to the two sides of the data."""
    replay = (
        [f"data.replay.folder={json.dumps(settings.replay)}", f"data.replay.share={settings.replay_share}"]
        if settings.replay
        else []
    )
    return load_recipe(
        settings.recipe,
        [
            f"device={settings.device}",
            *settings.changes,
            *replay,
            f"model.weights={json.dumps(base.weights)}",
            f"data.sources=[{{data: 'own:{LEARNT}'}}]",
            f"data.validation=[{{data: 'own:{HELD_OUT}'}}]",
        ],
    )


def measured(
    when: str, model: Path, version: str, settings: TrainingSettings, folder: Path, progress: Progress
) -> Measured:
    """Measure a model "before" or "after", going on where an earlier attempt was interrupted."""
    stage = f"measure {when}"
    with progress.stage(stage):
        dataset = held_out_objects(folder / "data", settings.objects)
        progress.say(f"Measuring {version} on {len(dataset)} held-out objects.")
        found = measure(
            model,
            version,
            dataset,
            _device(settings.device),
            folder / when,
            lambda part: progress.at(stage, part),
        )
    progress.measured(when, found.values())
    return found


def learn(recipe: Recipe, data: Path, run: Path, processes: int, progress: Progress) -> Path:
    """Learn, going on from the last checkpoint. Returns the file of the model."""
    # These take as long to import as torch, and many a job ends before it learns.
    from ritm_model.learning.loop.launch import train_together
    from ritm_model.learning.loop.loop import train

    with progress.stage("learn"), progress.following(run / "metrics.jsonl", recipe.steps):
        progress.say(f"Learning: {recipe.steps} steps of {recipe.batch_size} samples.")
        with stop_on([signal.SIGTERM]) as stop:
            try:
                if processes > 1:
                    return train_together(recipe, data, run, processes)
                return train(recipe, data, run, stop=stop)
            except RunStopped:
                raise Leaving from None


def in_half(model: Path) -> Path:
    """The model in half precision, in a file beside it: half the bytes for every server to fetch.

    That one is measured and published. Weights that half precision cannot hold stay as they are.
    """
    network = load_model(model)
    if not all(tensor.half().isfinite().all() for tensor in network.state_dict().values()):
        return model
    half = model.with_name("half.safetensors")
    save_model(half, network, read_card(model).training, half=True)
    return half


def drawn(
    before: tuple[Path, Measured],
    after: tuple[Path, Measured],
    settings: TrainingSettings,
    folder: Path,
    progress: Progress,
) -> Mapping[str, object] | None:
    """Pictures of held-out objects for whoever decides; None, and a line in the log, if none can be drawn."""
    try:
        dataset = held_out_objects(folder / "data", settings.objects)
        return draw_filmstrips(before, after, dataset, _device(settings.device), settings.filmstrips)
    except RitmError as error:
        progress.say(f"There are no filmstrips: {error}")
        return None


def publish(
    store: ObjectStore,
    settings: TrainingSettings,
    model: Path,
    base: Base,
    report: Mapping[str, object],
    order: Order,
    filmstrips: Mapping[str, object] | None = None,
) -> Ending:
    """Publish a model and, where publishing is automatic, make it live; or put it on trial.

    Not if people decided against it, or another one has become live.
    """
    name, registry = settings.model, Registry(store)
    if (refusal := registry.refusal(name, read_card(model).sha256)) is not None:
        return Ending("refused", f"Not published: {refusal}")
    version = registry.publish(name, model, report)
    reason = str(report["decision"])
    if filmstrips is not None:
        write_filmstrips(store, name, version, filmstrips)
    if settings.publishing != "automatic":
        on_trial = _tried(store, settings, version, order)
        waits = f"{version} {on_trial}waits for `ritm models approve {name} {version}`. {reason}"
        return Ending("candidate", waits)
    try:
        registry.promote(name, version, base.live, by=f"job {order.id}", why=reason, is_asked=False)
    except RefusedError as error:
        return Ending("refused", f"Not live: {error}")
    except ConflictError:
        return Ending(
            "superseded",
            f"{version} is published but not live: another version became live while the job ran. "
            "Start again to go on from that one.",
        )
    return Ending("published", f"{version} is live. {reason}", version)


def _tried(store: ObjectStore, settings: TrainingSettings, version: str, order: Order) -> str:
    """Begin the trial of a candidate, if that is wanted; what people are told of it."""
    if settings.publishing not in ("shadow", "canary"):
        return ""
    share, objects = settings.trial_share, settings.trial_objects
    try:
        Trials(store).begin(
            settings.model,
            version,
            settings.publishing,
            share=share,
            objects=objects,
            by=f"job {order.id}",
        )
    except RegistryError as error:
        return f"is not on trial ({str(error).rstrip('.')}) and "
    if settings.publishing == "shadow":
        return f"is measured unseen on {objects} objects, and "
    return f"is tried on {share:.0%} of the objects until {objects} are accepted, or else "


def _options(settings: TrainingSettings) -> Options:
    config = settings.labeling_config
    return Options(
        Whose.parse(settings.whose),
        config.read_text("utf-8-sig", "replace") if config else None,
        settings.boxes,
        settings.predictions,
        settings.folder / "cache",
    )


def _device(asked: str) -> str:
    import torch

    return asked if asked != "auto" else "cuda" if torch.cuda.is_available() else "cpu"
