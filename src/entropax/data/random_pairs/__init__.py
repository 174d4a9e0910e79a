"""Random distributions of two variables whose mutual information is known, and with it that of each sample."""

from ._tasks import task as task
