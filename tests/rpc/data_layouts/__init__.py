"""Layouts of tables, measured by the data service on a real engine."""
