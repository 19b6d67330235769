-- Replaced ledgers may stay for weeks: those whose time is over are found without reading the others.
create index ledgers_replaced on ledgers (superseded_at) where state = 'superseded';
create index ledgers_unnamed on ledgers (superseded_at) where state = 'superseded' and task is null;
comment on table ledgers is
    'Heads of priced ledgers. building: chunks are being written. current: the one that is read. '
    'superseded: kept as long as retention says while a result names it, else some minutes for readers under way.';
