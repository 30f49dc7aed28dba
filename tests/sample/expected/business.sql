-- One table per definition of definitions/business/, named by its key: id and value (audiences: id alone).
-- An average gives its exact sum and the number of values instead of a value.

create table logins_30_days as
select profile as id, count(*) as value from event
where event = 'User Logged In' and source_id <> 'src_staging' and happened >= timestamp '2010-11-10'
group by 1;

create table reports_exported_90_days as
select profile as id, count(*) as value from event
where event = 'Report Exported' and happened >= timestamp '2010-09-11'
group by 1;

create table favourite_export_format as
select profile as id, text_of(properties, 'format') as value from event
where event = 'Report Exported' and text_of(properties, 'format') is not null
group by 1, 2 having count(*) >= 2
qualify row_number() over (partition by id order by count(*) desc, value) = 1;

create table largest_export_rows as
select profile as id, max(number(text_of(properties, 'rows'))) as value from event
where event = 'Report Exported'
group by 1 having value is not null;

create table fastest_export_seconds as
select profile as id, min(number(text_of(properties, 'duration_seconds'))) as value from event
where event = 'Report Exported' and number(text_of(properties, 'rows')) >= 1000
group by 1 having value is not null;

create table seats_added as
select profile as id, sum(number(text_of(properties, 'seats'))) as value from event
where event = 'Seats Added'
group by 1 having count(number(text_of(properties, 'seats'))) > 0;

create table average_satisfaction as
select profile as id, sum(number(text_of(properties, 'satisfaction'))) as sum,
    count(number(text_of(properties, 'satisfaction'))) as number
from event where event = 'Support Ticket Closed' and happened >= timestamp '2010-06-13'
group by 1 having number > 0;

create table first_campaign as
select profile as id, text_of(context, '$.campaign.source') as value from event
where event = 'Signed Up' and text_of(context, '$.campaign.source') is not null
qualify row_number() over (partition by profile order by happened, message_id) = 1;

create table last_login_method as
select profile as id, text_of(properties, 'method') as value from event
where event = 'User Logged In' and text_of(properties, 'method') is not null
qualify row_number() over (partition by profile order by happened desc, message_id desc) = 1;

create table support_topics as
select profile as id, list_sort(list(distinct text_of(properties, 'topic'))) as value from event
where event = 'Support Ticket Opened' and text_of(properties, 'priority') in ('high', 'urgent')
    and text_of(properties, 'topic') is not null
group by 1;

create table support_tags as
select id, list_sort(list(distinct tag)) as value
from (select profile as id, unnest(cast(json_extract(properties, '$.tags') as varchar[])) as tag from event
      where event = 'Support Ticket Opened')
group by 1;

create table pages_read_60_days as
select profile as id, count(distinct text_of(properties, 'page_name')) as value from event
where event = 'Page Viewed' and happened >= timestamp '2010-10-11'
group by 1 having value > 0;

-- ── audiences ──────────────────────────────────────────────────────────────────────────────────────────────

create table urgent_support as
select distinct profile as id from event join profile on profile.id = event.profile
where event = 'Support Ticket Opened' and text_of(properties, 'priority') = 'urgent' and not anonymous
    and happened >= timestamp '2010-11-19';

create table trial_ending_soon as
select id from profile
where not anonymous and cast(replace(text_of(traits, 'trial_ends_at'), 'Z', '') as timestamp)
    between as_of() and timestamp '2010-12-14';

create table trial_without_export as
select id from profile
where not anonymous
    and id in (select profile from event where event = 'Trial Started' and happened >= timestamp '2010-11-26')
    and id not in (select profile from event where event in ('Report Exported', 'Subscription Started'));

create table power_users as
select id from profile
where not anonymous
    and id in (select id from logins_30_days where value >= 5)
    and id in (select id from reports_exported_90_days where value >= 8);

create table slipping_away as
select profile as id from event join profile on profile.id = event.profile
where event = 'User Logged In' and not anonymous
group by 1
having count(*) filter (happened >= timestamp '2010-09-11' and happened < timestamp '2010-11-10') >= 2
    and count(*) filter (happened >= timestamp '2010-11-10') = 0;

create table ready_to_upgrade as
select id from profile
where not anonymous and text_of(traits, 'role') in ('owner', 'admin')
    and (
        id in (select profile from event
               where event = 'Page Viewed' and text_of(properties, 'page_name') = 'Pricing' and happened >= timestamp '2010-11-10'
               group by 1 having count(*) >= 2)
        or id in (select profile from event where event = 'Seats Added' and happened >= timestamp '2010-10-11')
    )
    and id not in (from urgent_support);

create table decision_makers as
select id from profile
where not anonymous and regexp_matches(text_of(traits, 'title'), 'Head|Director|Chief');

create table newsletter_recipients as
select id from profile
where not anonymous and number(text_of(traits, 'lead_score')) >= 40
    and coalesce(text_of(traits, 'unsubscribed'), 'false') <> 'true' and id not in (from urgent_support);

create table german_decision_makers as
select id from decision_makers join profile using (id) where text_of(traits, '$.address.country') = 'DE';

create table pricing_page_visitors as
select profile as id from event
where event = 'Page Viewed' and text_of(properties, 'page_name') = 'Pricing' and happened >= timestamp '2010-10-11'
group by 1 having count(*) >= 2;

-- ── accounts ───────────────────────────────────────────────────────────────────────────────────────────────

create table account_logins_30_days as
select
    id,
    (select count(*) from call join account_user using (profile)
     where account = id and coalesce(nullif(text_of(context, 'groupId'), ''), group_id) = id
        and event = 'User Logged In' and happened >= timestamp '2010-11-10') as value
from account;

create table at_risk_accounts as
select id from account
where text_of(traits, 'plan') in ('starter', 'team', 'business')
    and id not in (
        select account from account_user
        join profile on profile.id = account_user.profile
        join event on event.profile = account_user.profile
        where text_of(profile.traits, 'role') in ('owner', 'admin')
            and event = 'User Logged In' and happened >= timestamp '2010-11-26'
    );

create table active_trials as
select id from account join account_logins_30_days using (id)
where cast(replace(text_of(traits, 'trial_ends_at'), 'Z', '') as timestamp)
        between as_of() and timestamp '2010-12-24'
    and value >= 5
    and id in (
        select account from account_user join event using (profile)
        where event = 'Report Exported' and happened >= timestamp '2010-12-03'
        group by account, profile having count(*) >= 3
    );
