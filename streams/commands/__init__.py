"""One small module for each command of the command line; `streams.cli` says what they are called and what they take."""
