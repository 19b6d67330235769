-- Keys are found by their hash and listed whole: nothing asks for those of one tenant.
set local lock_timeout = '10s';

drop index api_keys_by_tenant;
