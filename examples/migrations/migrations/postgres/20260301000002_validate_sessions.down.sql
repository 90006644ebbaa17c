-- REVERT: apply this before the revert of the previous file.

-- Nothing to take back here: the file before this one does it.
SELECT 1;
