"""Who may ask, who is answered when, and how much may be held meanwhile: one policy for all routes."""

from ritm_backend.admission.memory import MemoryBudget
from ritm_backend.admission.places import Admission, BusyError
from ritm_backend.admission.queue import FairQueue, Requester
from ritm_backend.admission.resources import Resources

__all__ = ["Admission", "BusyError", "FairQueue", "MemoryBudget", "Requester", "Resources"]
