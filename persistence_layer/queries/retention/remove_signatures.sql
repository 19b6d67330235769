-- retention/remove_signatures: $1 chain, $2 address, $3 limit
delete from address_signatures
where chain = $1 and address = $2 and tx_id in (
    select tx_id from address_signatures
    where chain = $1 and address = $2
    limit $3)
