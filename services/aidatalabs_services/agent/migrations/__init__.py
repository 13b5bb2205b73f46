"""The schema of the agent service, as SQL files applied in order."""
