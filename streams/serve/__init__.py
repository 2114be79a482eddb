"""`streams serve`: the API, the live stream and the page, in one process that reads and never writes."""
