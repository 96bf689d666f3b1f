"""The jobs that are measured."""

from benchmarks.workloads.base import Workload
from benchmarks.workloads.catalogue import catalogue

__all__ = ["Workload", "catalogue"]
