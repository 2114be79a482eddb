"""Typed clients, written from catalogue and tracking plan, so that nobody can misspell an event."""
