"""Set before torch is loaded by any test: OpenMP threads that wait without spinning."""

import os

os.environ.setdefault("OMP_WAIT_POLICY", "passive")
os.environ.setdefault("GOMP_SPINCOUNT", "0")
