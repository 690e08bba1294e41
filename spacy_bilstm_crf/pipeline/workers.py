"""torch in the processes of `nlp.pipe(n_process=...)`."""

import multiprocessing

import torch


def use_one_thread_in_workers() -> None:
    """Keep torch to one thread in worker processes.

    After a fork, torch's thread pool is not there any more and using it hangs; and several
    processes with a thread for each core get in one another's way.
    """
    if multiprocessing.parent_process() is not None and torch.get_num_threads() > 1:
        torch.set_num_threads(1)
