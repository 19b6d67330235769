-- retention/remove_scan: $1 chain, $2 address, whose signatures are gone
delete from address_scans where chain = $1 and address = $2
