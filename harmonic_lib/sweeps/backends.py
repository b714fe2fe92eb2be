"""Where tasks are done: in processes of this machine (loky), or by the workers of Dask."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from types import ModuleType
from typing import Any

from joblib import Parallel, delayed, parallel_config, register_parallel_backend
from joblib._dask import DaskDistributedBackend

from harmonic_lib.interrupts import ignore_ctrl_c
from harmonic_lib.sweeps.tasks import Result, Task

BACKENDS = ("loky", "dask")


@contextmanager
def engine(backend: str, jobs: int, scheduler: str | None = None) -> Iterator[None]:
    """Inside, joblib works with this backend.

    Raises:
        ValueError: its package is not installed; the message names the extra.
    """
    if backend == "loky":
        own = {"inner_max_num_threads": 1, "initializer": ignore_ctrl_c}
        with parallel_config("loky", n_jobs=jobs, **own):
            yield
        return
    distributed, dask = package("dask.distributed", "dask"), package("dask", "dask")
    register_parallel_backend("sweep_dask", DaskBackend)
    here = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": "ERROR"}
    with ExitStack() as stack:
        # a run that kills its worker is not tried again: it would kill the next one, too
        stack.enter_context(dask.config.set({"distributed.scheduler.allowed-failures": 0}))
        address = scheduler or stack.enter_context(distributed.LocalCluster(n_workers=jobs, **here))
        client = stack.enter_context(distributed.Client(address))
        stack.enter_context(parallel_config("sweep_dask", n_jobs=jobs, client=client))
        yield


class DaskBackend(DaskDistributedBackend):  # type: ignore[misc]
    """Dask's backend; a worker's death becomes a result, where joblib would wait forever."""

    def submit(self, batch: Any, callback: Callable[[list[Result]], None]) -> Any:
        ((do, (task,), _),) = batch.items

        def tell(future: Any) -> None:
            try:
                result = future.result()
            except Exception as error:
                result = Result(task, error=f"the worker died: {error!r}")
            callback([result])

        future = self.client.submit(do, task, pure=False)
        future.add_done_callback(tell)
        return future


def results(tasks: Sequence[Task], do: Callable[[Task], Result]) -> Generator[Result, None, None]:
    """The results of tasks, in the order in which they end.

    A task's own failure is a result. If the backend itself fails, because a worker died or a
    result cannot be sent, the remaining tasks are done one by one, to find the one that fails.
    """

    def parallel(some: Iterable[Task]) -> Iterator[Result]:
        # batches of one: each result comes, and is recorded, when its own task ends
        calls = (delayed(do)(task) for task in some)
        yield from Parallel(return_as="generator_unordered", batch_size=1)(calls)

    left = {str(task): task for task in tasks}
    # joblib's words to a sweep that is interrupted: its other tasks are cancelled
    warnings.filterwarnings("ignore", ".*adjusting the input task iterator", module="joblib")
    try:
        for result in parallel(tasks):
            del left[str(result.task)]
            yield result
    except Exception:
        for task in left.values():
            try:
                yield from parallel([task])
            except Exception as error:
                yield Result(task, error=f"{type(error).__name__}: {error}")


def package(module: str, extra: str) -> ModuleType:
    """A module of an optional package.

    Raises:
        ValueError: it is not installed; the message names the extra.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise ValueError(f'{error}; install it: pip install "harmonic-lib[{extra}]"') from error
