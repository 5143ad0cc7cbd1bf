"""Training by several processes that torchrun started: each takes its share of every batch.

torchrun names the processes in their environment; torch's DistributedDataParallel averages the gradients.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

# The others wait for the first process, which validates alone.
TIMEOUT = timedelta(hours=2)


@dataclass(frozen=True)
class Processes:
    """Which of how many processes this one is; the first one keeps the log and the files."""

    rank: int = 0
    count: int = 1

    @property
    def first(self) -> bool:
        """Return whether this process is the one that logs, validates and saves."""
        return self.rank == 0

    def share(self, batch: int) -> slice:
        """Return which crops of a batch of so many this process takes: as many as every other.

        Raises
        ------
        ValueError
            If the processes cannot have equal shares.
        """
        if batch % self.count:
            raise ValueError(
                f"batch is {batch} crops, expected a multiple of {self.count}, the number of processes"
            )
        size = batch // self.count
        return slice(self.rank * size, (self.rank + 1) * size)

    def parallel(self, network: nn.Module) -> nn.Module:
        """Return ``network``, wrapped so that its gradients are the means over all processes."""
        if self.count == 1:
            return network
        return DistributedDataParallel(network)

    def mean(self, value: Tensor) -> Tensor:
        """Return the mean of ``value`` over all processes, each of which has to call this."""
        if self.count == 1:
            return value
        total = value.detach().clone()
        dist.all_reduce(total)
        return total / self.count


ALONE = Processes()


def launched() -> bool:
    """Return whether torchrun started this process and others."""
    return dist.is_available() and dist.is_torchelastic_launched() and int(os.environ["WORLD_SIZE"]) > 1


def own_device(device: str) -> str:
    """Return the device of this process: with torchrun, every process of a machine has a GPU of its own."""
    if launched() and torch.device(device).type == "cuda":
        return f"cuda:{os.environ['LOCAL_RANK']}"
    return device


@contextmanager
def process_group(device: str) -> Iterator[Processes]:
    """Join the processes that torchrun started, or give `ALONE`; ``device`` as `own_device` returns it."""
    if not launched():
        yield ALONE
        return
    on_gpu = torch.device(device).type == "cuda"
    if on_gpu:
        torch.cuda.set_device(device)
    dist.init_process_group("nccl" if on_gpu else "gloo", timeout=TIMEOUT)
    yield Processes(dist.get_rank(), dist.get_world_size())
    # Not after an exception: the others may be amid an exchange, and torchrun ends them.
    dist.destroy_process_group()
