"""One of several processes that each have a folder of a run for themselves: `own_folders.py FOLDER ...`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from ritm_model.cli.main import main

if __name__ == "__main__":
    folder, *words = sys.argv[1:]
    pack = Path(__file__).parents[3] / "samples"
    out = f"{folder}/{os.environ['RANK']}"
    sys.argv = ["ritm", "train", "starter", "--data", str(pack), "--out", out, *words]
    main()
