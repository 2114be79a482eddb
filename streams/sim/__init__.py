"""The synthetic world: a shop with customers who behave like people, for demos, load and tests. Pure and seeded, except `tracker`."""
