"""How well the alerts foretell, measured on data with a known outcome: `python -m tests.evaluate`."""
