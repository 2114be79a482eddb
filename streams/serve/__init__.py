"""`streams serve`: the API, the live stream and the page, in one process. It never writes what a worker writes."""
