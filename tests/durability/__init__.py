"""Durability: what is acknowledged survives SIGKILL of any process, once, and is rolled up rightly."""
