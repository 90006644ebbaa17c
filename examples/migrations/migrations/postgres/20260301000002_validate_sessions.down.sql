-- REVERT: apply this before the revert of the previous file.

-- Nothing to do: reverting the previous file drops the constraints.
SELECT 1;
