"""A step, layer by layer: what it says, where records go, what accounts hear, users folded, errands between partitions."""
