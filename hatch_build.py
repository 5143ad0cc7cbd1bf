"""Put the machine code of the kernels and the man pages into the wheel: native/build.py, docs/man_pages.py.

The kernels stay in the working copy, where an editable install finds them, too. An editable install does not
build them: its kernels change, and numba compiles those that did. Other platforms than Linux on x86-64 get
none.
"""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

TAG = "py3-none-linux_x86_64"


class BuildHook(BuildHookInterface):  # type: ignore[type-arg]
    """Runs before a wheel is packed."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Write the man pages; build the libraries where they are missing, and name the wheel after them."""
        pages = Path(self.directory, "man1")
        subprocess.run([sys.executable, str(Path(self.root, "docs", "man_pages.py")), str(pages)], check=True)
        build_data["shared_data"][str(pages)] = "share/man/man1"
        if version == "editable" or (platform.system(), platform.machine()) != ("Linux", "x86_64"):
            return
        subprocess.run([sys.executable, str(Path(self.root, "native", "build.py"))], check=True)
        build_data["artifacts"].append("pixcodec/network/machine_code/*.so")
        build_data["pure_python"], build_data["tag"] = False, TAG
