"""The simulated annotator at work: how many clicks does a model need?"""

from ritm_model.evaluation.annotate import SampleError, annotate
from ritm_model.evaluation.compare import Comparison, Interval, compare
from ritm_model.evaluation.modes import MODES, ModeError, PredictorSource
from ritm_model.evaluation.protocol import EvaluationProtocol, ProtocolError, protocol_for
from ritm_model.evaluation.results import SampleResult
from ritm_model.evaluation.run import Evaluation, available_jobs, evaluate, load_evaluation
from ritm_model.evaluation.run_folder import RunFolderError
from ritm_model.evaluation.sample import DatasetLike, SampleLike
from ritm_model.evaluation.summary import Summary, compare_evaluations, summarise
from ritm_model.evaluation.workers import WorkerError

__all__ = [
    "MODES",
    "Comparison",
    "DatasetLike",
    "Evaluation",
    "EvaluationProtocol",
    "Interval",
    "ModeError",
    "PredictorSource",
    "ProtocolError",
    "RunFolderError",
    "SampleError",
    "SampleLike",
    "SampleResult",
    "Summary",
    "WorkerError",
    "annotate",
    "available_jobs",
    "compare",
    "compare_evaluations",
    "evaluate",
    "load_evaluation",
    "protocol_for",
    "summarise",
]
