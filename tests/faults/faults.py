"""What the fault tests share: the end-to-end harness, found beside this directory."""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "e2e"))

from runtime import (  # noqa: E402,F401  pylint: disable=wrong-import-position,unused-import
    Case, GROUP, IDS, Process, RUNTIME, make_root, only_gabion, own_processes, reap, spec, wait_until)


class FaultCase(Case):
    def spoken(self, result):
        """A clear error: an exit code of the runtime's own, and words; never a signal."""
        self.assertGreater(result.code, 0, str(result))
        self.assertTrue(result.code < 128 or result.code == 255, str(result))  # 255: an exec that failed
        self.assertTrue(result.err, str(result))
        return result

    def count(self, directory):
        return len(os.listdir(directory)) if os.path.isdir(directory) else 0
