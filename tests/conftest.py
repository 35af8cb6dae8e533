"""Shared by all tests: where the real data sets are, and the tools folder on the path."""

import os
import signal
import sys
from pathlib import Path

import pytest

# A shell that starts the tests in the background has Ctrl-C ignored, and programs inherit that.
# Tests that press it need it heard.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) == signal.SIG_IGN:  # nohup
    signal.signal(signal.SIGHUP, signal.SIG_DFL)

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tools"))


@pytest.fixture(scope="session")
def data_dir() -> Path:
    "The folder of the real data sets; the test is skipped where it is not set."
    folder = os.environ.get("SCSMD_DATA_DIR")
    if not folder:
        pytest.skip("SCSMD_DATA_DIR is not set")
    if not Path(folder).is_dir():
        pytest.skip(f"SCSMD_DATA_DIR is {folder}, which is not a folder")
    return Path(folder)
