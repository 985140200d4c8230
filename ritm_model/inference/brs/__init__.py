"""Backpropagating refinement (BRS): change the network from within until its answer agrees with the clicks.

For evaluation, to compare with published numbers: each click costs up to twenty forward and backward passes.
"""

from ritm_model.errors import BRSError
from ritm_model.inference.brs.modes import BRS_MODES, open_brs_predictor
from ritm_model.inference.brs.predictor import BRSPredictor, BRSState
from ritm_model.inference.brs.reference import ReferenceBRSPredictor

__all__ = ["BRS_MODES", "BRSError", "BRSPredictor", "BRSState", "ReferenceBRSPredictor", "open_brs_predictor"]
