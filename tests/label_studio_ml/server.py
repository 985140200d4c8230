"""Runs the real label-studio-ml server with our model class; started by the tests in its own environment.

    python server.py PORT MODEL_DIR FOLDER...

The folders (this repository, then the packages of the main environment) are searched last, so that the
server keeps the old Flask it is published with.
"""

import sys

port, model_dir, *folders = sys.argv[1:]
sys.path.extend(folders)

import flask  # noqa: E402
from label_studio_ml.api import init_app  # noqa: E402

from ritm_backend.label_studio_ml import RITMBackend  # noqa: E402

assert flask.__version__.startswith("1.1."), "not the Flask that label-studio-ml 1.0.9 asks for"
init_app(RITMBackend, model_dir=model_dir).run("127.0.0.1", int(port), threaded=True)
