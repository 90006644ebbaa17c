-- Replaces the secret, and records a re-authentication if asked to.
-- ARGV: 3 id, 4 hash of the caller's secret, 5 hash of the new secret, 6 hash to remember, or
-- nothing, 7 state of the rotation, 8 grace, 9 idle, 10 'reauthenticate' or nothing.
local id, from, to = ARGV[3], ARGV[4], ARGV[5]
local how, row = state(id)
if how ~= 'live' then return {'gone'} end
-- This very call has been sent a second time, because its answer was lost.
if row.secret_hash == to then return {'written', row.authenticated_at} end
local reauthenticates = ARGV[10] ~= ''
if not may_rotate(row, from, reauthenticates) then return {'conflict'} end

row.secret_hash, row.rotation_state = to, ARGV[7]
row.previous_secret_hash = ARGV[6] ~= '' and ARGV[6] or nil
row.previous_secret_until = decimal(now + tonumber(ARGV[8]))
if reauthenticates then row.authenticated_at = decimal(now) end
use(id, row, now, tonumber(ARGV[9]))
return {'written', decimal(now)}
