"""The jobs that are measured."""

from benchmarks.workloads.base import Workload
from benchmarks.workloads.catalogue import TOOLS, catalogue

__all__ = ["TOOLS", "Workload", "catalogue"]
