-- The head, read only.
-- KEYS head, due
return seen(KEYS[1], KEYS[2])
