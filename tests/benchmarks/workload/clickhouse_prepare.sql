-- What every query reads; see duckdb_prepare.sql.

create function as_of as () -> toDateTime64('{as_of}', 6, 'UTC');

create view raw as select * from file('{folder}/events/*.parquet', Parquet);

create table copy (received_at DateTime64(6, 'UTC')) engine = Memory;

insert into copy
with suspected as (select cityHash64(message_id) from raw group by 1 having count() > 1)
select assumeNotNull(received_at) from raw where cityHash64(message_id) in suspected
qualify row_number() over (partition by message_id order by received_at) > 1;

create view event as
select event, user_id, timestamp as happened, message_id, {properties}
from raw where received_at not in copy and happened < as_of();

create view profile as
select arrayFirst(x -> x.type = 'user_id', external_ids).value as user_id, account_ids, {country} as country
from file('{folder}/profiles.parquet', Parquet);

create view account as
select account_id, {plan} as plan from file('{folder}/accounts.parquet', Parquet);

create view member as select arrayJoin(account_ids) as account_id, user_id from profile;

create view universe as select user_id from profile union distinct select user_id from event;
