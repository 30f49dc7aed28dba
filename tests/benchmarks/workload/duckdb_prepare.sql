-- What every query reads: views, so that each query reads the files. Only the list of copies is made beforehand,
-- because finding them in each query would cost more than all the rest; its time is shown on its own.
-- Put in: {folder}, {as_of}, {properties} (how a property is had from a struct, or from JSON text).

create macro as_of() as timestamp '{as_of}';

create view raw as from read_parquet('{folder}/events/*.parquet');

-- Of the events with the same message id only the first by time of receipt counts, which no two rows have in common.
-- Hashes find the few ids that may come twice: a table of all of them would be as large as the events.
create table copy as
with suspected as (select hash(message_id) as it from raw group by 1 having count(*) > 1)
select received_at from raw where hash(message_id) in (from suspected)
qualify row_number() over (partition by message_id order by received_at) > 1;

create view event as
select event, user_id, "timestamp" as happened, message_id, {properties}
from raw anti join copy using (received_at)
where happened < as_of();

create view profile as
select list_filter(external_ids, lambda x: x.type = 'user_id')[1].value as user_id, account_ids, {country} as country
from read_parquet('{folder}/profiles.parquet');

create view account as
select account_id, {plan} as plan from read_parquet('{folder}/accounts.parquet');

create view member as select unnest(account_ids) as account_id, user_id from profile;

-- Everybody: who is in the table of profiles, or did anything.
create view universe as select user_id from profile union select user_id from event;
