"""Predictor, zoom-in, engines and the sessions of annotators."""

from ritm_model.inference.engines.torch_engine import Engine, TorchEngine
from ritm_model.inference.geometry import Box, Roi
from ritm_model.inference.merge import ProgressiveMerge
from ritm_model.inference.opening import open_predictor
from ritm_model.inference.options import PredictorOptions
from ritm_model.inference.predictor import Predictor
from ritm_model.inference.prompts import Picture, PromptError
from ritm_model.inference.reference import ReferencePredictor
from ritm_model.inference.sessions.annotator import Annotator, AnnotatorStats, Prompt
from ritm_model.inference.sessions.turns import Superseded
from ritm_model.inference.state import State
from ritm_model.inference.strokes import Lasso, Region, Stroke, region_clicks, stroke_clicks
from ritm_model.inference.zoom_in import ZoomIn

__all__ = [
    "Annotator",
    "AnnotatorStats",
    "Box",
    "Engine",
    "Lasso",
    "Picture",
    "Predictor",
    "PredictorOptions",
    "ProgressiveMerge",
    "Prompt",
    "PromptError",
    "ReferencePredictor",
    "Region",
    "Roi",
    "State",
    "Stroke",
    "Superseded",
    "TorchEngine",
    "ZoomIn",
    "open_predictor",
    "region_clicks",
    "stroke_clicks",
]
