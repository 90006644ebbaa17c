-- no-transaction

DROP INDEX CONCURRENTLY sessions_colour_idx;
