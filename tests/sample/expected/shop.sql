-- One table per definition of definitions/shop/, named by its key: id and value (audiences: id alone).
-- An average gives its exact sum and the number of values instead of a value.

create table orders_total as
select profile as id, count(*) as value from event where event = 'Order Completed' group by 1;

create table orders_90_days as
select id, (select count(*) from event
            where profile = id and event = 'Order Completed' and happened >= timestamp '2010-09-11') as value
from profile;

create table orders_last_christmas as
select profile as id, count(*) as value from event
where event = 'Order Completed' and happened >= timestamp '2009-11-30' and happened < timestamp '2009-12-28'
group by 1;

create table revenue_180_days as
select profile as id, sum(number(text_of(properties, 'total'))) as value from event
where event = 'Order Completed' and happened >= timestamp '2010-06-13'
group by 1 having count(number(text_of(properties, 'total'))) > 0;

create table average_order_value as
select profile as id, sum(number(text_of(properties, 'total'))) as sum, count(number(text_of(properties, 'total'))) as number
from event where event = 'Order Completed'
group by 1 having number > 0;

create table largest_order as
select profile as id, max(number(text_of(properties, 'total'))) as value from event
where event = 'Order Completed'
group by 1 having value is not null;

create table cheapest_item_price as
select profile as id, min(number(text_of(properties, 'price'))) as value from event
where event = 'Product Purchased' and number(text_of(properties, 'price')) > 0 and happened >= timestamp '2009-12-10'
group by 1;

create table refunds_180_days as
select profile as id, sum(number(text_of(properties, 'total'))) as value from event
where event = 'Order Cancelled' and happened >= timestamp '2010-06-13'
group by 1 having count(number(text_of(properties, 'total'))) > 0;

create table returns_90_days as
select profile as id, count(*) as value from event
where event = 'Product Returned' and number(text_of(properties, 'quantity')) >= -10 and happened >= timestamp '2010-09-11'
group by 1;

create table favourite_product as
select profile as id, text_of(properties, 'name') as value from event
where event = 'Product Purchased' and text_of(properties, 'name') is not null
group by 1, 2 having count(*) >= 3
qualify row_number() over (partition by id order by count(*) desc, value) = 1;

create table first_product as
select profile as id, text_of(properties, 'name') as value from event
where event = 'Product Purchased' and text_of(properties, 'name') is not null
qualify row_number() over (partition by profile order by happened, message_id) = 1;

create table last_order_items as
select profile as id, number(text_of(properties, 'num_items')) as value from event
where event = 'Order Completed' and text_of(properties, 'num_items') is not null
qualify row_number() over (partition by profile order by happened desc, message_id desc) = 1;

create table last_order_country as
select profile as id, text_of(context, '$.location.country') as value from event
where event = 'Order Completed' and text_of(context, '$.location.country') is not null
qualify row_number() over (partition by profile order by happened desc, message_id desc) = 1;

create table christmas_products as
select profile as id, list_sort(list(distinct text_of(properties, 'sku'))) as value from event
where event = 'Product Purchased' and contains(text_of(properties, 'name'), 'CHRISTMAS')
    and text_of(properties, 'sku') is not null and happened >= timestamp '2010-08-12'
group by 1;

create table products_bought as
select profile as id, count(distinct text_of(properties, 'sku')) as value from event
where event = 'Product Purchased'
group by 1 having value > 0;

-- ── audiences ──────────────────────────────────────────────────────────────────────────────────────────────

create table big_spenders as
select id from profile join revenue_180_days using (id) where not anonymous and value >= 2000;

create table lapsed_customers as
select profile as id from event join profile on profile.id = event.profile
where event = 'Order Completed' and not anonymous
group by 1 having count(*) >= 2 and max(happened) < timestamp '2010-08-12';

create table new_customers as
select id from profile
where not anonymous and cast(replace(text_of(traits, 'first_seen'), 'Z', '') as timestamp)
    between timestamp '2010-11-10' and as_of();

create table one_time_buyers as
select id from profile join orders_total using (id)
where not anonymous and value = 1
    and cast(replace(text_of(traits, 'first_seen'), 'Z', '') as timestamp) <= timestamp '2010-11-10';

create table christmas_shoppers as
select profile as id from event join profile on profile.id = event.profile
where event = 'Product Purchased' and not anonymous and happened >= timestamp '2010-10-11'
    and number(text_of(properties, 'quantity')) > 0
    and (text_of(properties, 'name') like '%CHRISTMAS%' or text_of(properties, 'name') like '%ADVENT%'
        or text_of(properties, 'name') like '%SNOWMAN%')
group by 1 having count(*) >= 5;

create table frequent_returners as
select id from profile join returns_90_days using (id) where not anonymous and value >= 3;

create table cake_stand_owners as
select distinct profile as id from event join profile on profile.id = event.profile
where event = 'Order Completed' and not anonymous and happened >= timestamp '2010-01-01'
    and list_has_any(cast(json_extract_string(properties, '$.products[*].sku') as varchar[]), ['22423', '85123A']);

create table vip_customers as
select id from big_spenders join products_bought using (id)
where value >= 80 and id not in (from frequent_returners);

create table continental_customers as
select id from profile
where not anonymous and text_of(traits, 'country') is not null
    and text_of(traits, 'country') not in ('United Kingdom', 'EIRE', 'Channel Islands', 'Unspecified');

create table customers_since_last_winter as
select id from profile join orders_90_days using (id)
where not anonymous and value >= 1
    and cast(replace(text_of(traits, 'first_seen'), 'Z', '') as timestamp) < timestamp '2010-03-01';

create table win_back_by_post as
select id from lapsed_customers
where (id in (select id from largest_order where value >= 500) or id in (select id from orders_last_christmas))
    and id not in (from continental_customers);

create table large_guest_orders as
select distinct profile as id from event join profile on profile.id = event.profile
where event = 'Order Completed' and number(text_of(properties, 'total')) >= 500 and happened >= timestamp '2010-10-11'
    and text_of(traits, 'first_seen') is null;
