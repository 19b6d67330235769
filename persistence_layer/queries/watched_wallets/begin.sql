-- watched_wallets/begin: $1 wallets, $2 their rounds, which begin now. The next ones of equal intervals begin together,
-- up to a tenth of the interval early the first time: else each wallet would come to have rounds of its own.
update watched_wallets w
set batch_id = g.batch_id,
    next_at = date_bin(
        make_interval(secs => w.every_seconds / 10.0), now() + make_interval(secs => w.every_seconds),
        timestamptz '2000-01-01')
from unnest($1::bigint[], $2::uuid[]) as g (id, batch_id)
where w.id = g.id
