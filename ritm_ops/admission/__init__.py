"""Who is answered when, and how much may be held meanwhile: one policy for every service."""

from ritm_ops.admission.lanes import Budget, DecodingMemory
from ritm_ops.admission.memory import MemoryBudget
from ritm_ops.admission.places import Admission, BusyError
from ritm_ops.admission.processes import LiveProcesses
from ritm_ops.admission.queue import FairQueue, Requester
from ritm_ops.admission.resources import Reader, Resources, decode_within
from ritm_ops.admission.slots import SharedBudget, machine_folder

__all__ = [
    "Admission",
    "Budget",
    "BusyError",
    "DecodingMemory",
    "FairQueue",
    "LiveProcesses",
    "MemoryBudget",
    "Reader",
    "Requester",
    "Resources",
    "SharedBudget",
    "decode_within",
    "machine_folder",
]
