"""The kernel that a chapter runs in: this interpreter, whatever kernels the user has installed."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import AsyncKernelManager
from nbformat import NotebookNode
from papermill.clientwrap import PapermillNotebookClient
from papermill.engines import Engine, papermill_engines

ENGINE = "harmonic"
#: seconds that a kernel may take to start, and to send what a cell wrote once the cell is done
PATIENCE = 300
LOG = logging.getLogger(__name__)
LOG.addHandler(logging.NullHandler())  # what goes wrong is in the error, too


class OwnKernel(AsyncKernelManager):
    """A kernel of this interpreter, as a process of this machine."""

    @property
    def kernel_spec(self) -> KernelSpec:
        return KernelSpec(
            argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
            language="python",
            metadata={"kernel_provisioner": {"provisioner_name": "local-provisioner"}},
        )

    def kill(self) -> None:
        """End the kernel and what it has started, at once; to be called in any thread."""
        process = getattr(self.provisioner, "process", None)
        if process is None or process.poll() is not None:
            return
        with contextlib.suppress(OSError):  # it has just ended by itself
            if hasattr(os, "killpg"):
                os.killpg(process.pid, signal.SIGKILL)
            else:
                process.kill()


class OwnEngine(Engine):  # type: ignore[misc]
    """papermill's engine with our kernel.

    ``on_start`` is given the client, and ``on_cell`` the notebook and the index of each cell as
    it begins.
    """

    @classmethod
    def execute_managed_notebook(
        cls,
        nb_man: Any,
        kernel_name: str,
        folder: Path,
        environment: Mapping[str, str],
        on_start: Callable[[PapermillNotebookClient], None],
        on_cell: Callable[[NotebookNode, int], None],
        **_: Any,
    ) -> NotebookNode:
        def begin(cell: NotebookNode, cell_index: int) -> None:
            on_cell(nb_man.nb, cell_index)

        client = PapermillNotebookClient(
            nb_man,
            kernel_name=kernel_name,
            kernel_manager_class=OwnKernel,
            extra_arguments=["--log-level=50"],  # a kernel's remarks are not the chapter's
            resources={"metadata": {"path": str(folder)}},
            startup_timeout=PATIENCE,
            iopub_timeout=PATIENCE,
            shutdown_kernel="immediate",  # all results are here; torch takes a second to leave
            on_cell_start=begin,
            log=LOG,
        )
        on_start(client)
        done: NotebookNode = client.execute(env=dict(environment))
        return done


papermill_engines.register(ENGINE, OwnEngine)
