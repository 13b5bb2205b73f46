"""Layouts without an engine."""
