"""A run as one HTML file: the graph, a timeline, a table of its tasks, and what went wrong."""

from wfc.report.build import report

__all__ = ["report"]
