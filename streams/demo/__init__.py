"""`streams demo`: a simulated shop on servers of its own, and what the engine says of it, live."""
