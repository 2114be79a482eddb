"""How trackers speak: each module turns what one kind of tracker sends into events as docs/wire.md spells them."""
