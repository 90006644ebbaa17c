-- The way back: apply this before that of the file before it.

-- Nothing to take back here: the file before this one does it.
SELECT 1;
