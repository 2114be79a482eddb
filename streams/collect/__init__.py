"""The collector: events over HTTP, in the words of the trackers that people already have, onto the topics."""
