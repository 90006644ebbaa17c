-- Returns the time of the server that has this shard.
return {decimal(now)}
