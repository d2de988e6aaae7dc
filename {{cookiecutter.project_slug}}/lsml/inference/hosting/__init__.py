"""Models in the memory of this process: loading, queues, batches, time-outs."""
