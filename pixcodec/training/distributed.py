"""Training by several processes that torchrun started, each of which takes its share of every batch.

torchrun numbers the processes in their environment. A thread of gloo that still frees a tensor when Python
ends aborts the process, so no group may outlive its use. Two parts of torch 2.13 keep one: its
DistributedDataParallel, which is not used, and functions whose default argument is the group of the time when
their module is imported, as an optimiser's first step imports it; see :func:`process_group`.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn

TIMEOUT = timedelta(hours=2)  # longer than the first process validates, for which the others wait


@dataclass(frozen=True)
class Processes:
    """The processes that train together, as one of them sees them.

    Parameters
    ----------
    rank : int
        Number of this process, from 0 on.
    count : int
        Number of processes.
    """

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Return whether this is the first process, which alone validates, logs and saves."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """Return which of the ``batch`` crops of a batch this process takes; all take equally many.

        Raises
        ------
        ValueError
            If the batch is not a multiple of the number of processes.
        """
        if batch % self.count:
            raise ValueError(
                f"batch is {batch} crops, expected a multiple of {self.count}, the number of processes"
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace the gradients of the network by their means over all processes; each must call this."""
        if self.count == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = self.mean(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, mean in zip(gradients, torch.split(flat, [g.numel() for g in gradients]), strict=True):
            gradient.copy_(mean.view_as(gradient))

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of ``value`` over all processes, each of which must call this."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.count


ALONE = Processes()  # a single process


def launched() -> bool:
    """Return whether torchrun started this process and others."""
    return dist.is_available() and dist.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1


def own_device(device: str) -> str:
    """Return the device of this process: under torchrun, each process of a machine takes another GPU."""
    if launched() and torch.device(device).type == "cuda":
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return device


@contextmanager
def process_group(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started and give them; give ALONE if there are no others.

    Parameters
    ----------
    device : str
        As :func:`own_device` returns it.
    """
    if not launched():
        yield ALONE
        return
    importlib.import_module("torch.distributed.nn.functional")  # while there is no group to keep
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=TIMEOUT)
    yield Processes(dist.get_rank(), dist.get_world_size())
    # Not after an exception: other processes may wait for this one, and torchrun ends them.
    dist.destroy_process_group()
