-- The way back: apply this before that of the file before it.

-- Nothing to do: reverting the previous file drops the constraints.
SELECT 1;
