"""The only place that does I/O: Faust, Kafka, Redis, clocks."""
