-- The two samples, made ready for the queries in shop.sql and business.sql, by the rules for inputs:
-- what can't be used is rejected, copies count once, every event gets an owner.
-- The test puts the folder of the samples in place of {data}.

create macro instant(moment) as make_timestamp(epoch_us(moment));
create macro as_of() as timestamp '2010-12-10 00:00:00';
create macro text_of(object, path) as json_extract_string(object, path);
create macro number(text) as
    case when regexp_full_match(text, '[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?') then cast(text as decimal(38, 6)) end;

-- ── raw rows, one shape for both ───────────────────────────────────────────────────────────────────────────

create table raw as
select
    row_number() over () as row, message_id, type, event, user_id, anonymous_id, group_id, name, source_id,
    instant("timestamp") as happened, instant(received_at) as received,
    cast(properties as json) as properties, cast(traits as json) as traits, cast(context as json) as context
from read_parquet(['{data}/online_retail/events.parquet', '{data}/business/events.parquet'], union_by_name = true);

create table profile_row as
select profile_id as id, cast(traits as json) as traits,
    from_json(external_ids, '[{"type": "VARCHAR", "value": "VARCHAR"}]') as identifiers
from '{data}/online_retail/profiles.parquet'
union all
select profile_id, cast(traits as json), [{type: x.type, value: x.value} for x in external_ids]
from '{data}/business/profiles.parquet';

-- ── rejects: one reason a row ──────────────────────────────────────────────────────────────────────────────

create table judged as
select *,
    case
        when user_id is null and anonymous_id is null then 'no_user_anon_id'
        when happened is null or happened < timestamp '1970-01-01' then 'bad_timestamp'
        when type = 'track' and coalesce(event, '') = '' then 'event_not_defined'
        when json_type(properties) not in ('OBJECT', 'NULL') then 'properties_not_object'
        when json_type(traits) not in ('OBJECT', 'NULL') then 'traits_not_object'
        when type = 'group' and coalesce(group_id, '') = '' then 'bad_group_id'
    end as reason
from raw;

-- ── copies: the first by time of receipt counts (missing last), then by timestamp ──────────────────────────

create table accepted as
select * from judged
where reason is null
qualify message_id is null
    or row_number() over (partition by message_id order by received nulls last, happened, row) = 1;

-- ── owners: the profile that holds the user_id, else that with the anonymous_id, else one made up ──────────

create table holder as
select x.type, x.value, min(id) as profile
from (select id, unnest(identifiers) as x from profile_row)
group by all;

create table call as
select
    accepted.*,
    case
        when user_id is not null then coalesce(u.profile, 'user_id:' || user_id)
        else coalesce(a.profile, 'anonymous_id:' || anonymous_id)
    end as profile
from accepted
left join holder u on u.type = 'user_id' and u.value = user_id
left join holder a on a.type = 'anonymous_id' and a.value = anonymous_id
where happened < as_of();

create table event as
select profile, event, happened, message_id, properties, context, source_id from call where type = 'track'
union all
select profile, 'Page Viewed', happened, message_id,
    json_merge_patch(coalesce(properties, '{}'), json_object('page_name', name, 'name', name)), context, source_id
from call where type = 'page';

-- ── who exists ─────────────────────────────────────────────────────────────────────────────────────────────

create table profile as
select
    id, traits,
    len(list_filter(identifiers, lambda x: x.type = 'anonymous_id')) > 0
        and len(list_filter(identifiers, lambda x: x.type <> 'anonymous_id')) = 0 as anonymous
from profile_row
union all
select distinct profile, cast('{}' as json), starts_with(profile, 'anonymous_id:')
from call
where profile not in (select id from profile_row);

-- ── accounts, and who belongs to them: what the table of profiles says, else what group calls say ──────────

create table member as
select profile_id as profile, unnest(account_ids) as account
from '{data}/business/profiles.parquet' where account_ids is not null
union
select profile, group_id from call
where type = 'group'
    and profile not in (select profile_id from '{data}/business/profiles.parquet' where account_ids is not null);

create table account as
select account_id as id, cast(traits as json) as traits from '{data}/business/accounts.parquet'
union all
select distinct account, cast('{}' as json) from member
where account not in (select account_id from '{data}/business/accounts.parquet');

create table account_user as
select account, profile from member join profile on profile.id = member.profile where not anonymous;
