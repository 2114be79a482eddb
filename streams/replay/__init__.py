"""Old events from files, on their way into the topics or straight through the core."""
