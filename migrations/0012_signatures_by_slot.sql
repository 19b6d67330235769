-- The newest part of a list, and what a list says of single slots, without reading all of it. A file of
-- its own, so that the table is read while the index is built; whoever stores lists waits for it.
set local lock_timeout = '10s';

create index address_signatures_by_slot on address_signatures (chain, address, slot);
