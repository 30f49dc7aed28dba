-- One query per definition, written by hand from what the definition means; each reads the files on its own.
-- Columns: user_id (of accounts account_id), and value where it is a trait. Sums are exact decimals, rounded once.

-- ── counters ───────────────────────────────────────────────────────────────────────────────────────────────

-- key: content_views_7_days
select user_id, count(*) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 7 days
group by 1;

-- key: content_views_90_days
select user_id, count(*) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 90 days
group by 1;

-- key: product_views_30_days
select user_id, count(*) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 30 days
group by 1;

-- key: expensive_product_views_365_days
select user_id, count(*) as value from event
where event = 'Product Viewed' and price >= 100 and happened >= as_of() - interval 365 days
group by 1;

-- key: searches_30_days
select user_id, count(*) as value from event
where event = 'Products Searched' and happened >= as_of() - interval 30 days
group by 1;

-- key: products_added_90_days
select user_id, count(*) as value from event
where event = 'Product Added' and happened >= as_of() - interval 90 days
group by 1;

-- key: orders_365_days
select user_id, count(*) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days
group by 1;

-- key: orders_90_days
select user_id, coalesce(orders, 0) as value from universe left join (
    select user_id, count(*) as orders from event
    where event = 'Order Completed' and happened >= as_of() - interval 90 days
    group by 1
) using (user_id);

-- key: mobile_logins_30_days
select user_id, count(*) as value from event
where event = 'User Logged In' and device in ('ios', 'android') and happened >= as_of() - interval 30 days
group by 1;

-- key: emails_opened_7_days
select user_id, count(*) as value from event
where event = 'Email Opened' and happened >= as_of() - interval 7 days
group by 1;

-- ── aggregations ───────────────────────────────────────────────────────────────────────────────────────────

-- key: revenue_365_days
select user_id, cast(sum(revenue) as double) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days and revenue is not null
group by 1;

-- key: revenue_90_days
select user_id, cast(sum(revenue) as double) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 90 days and revenue is not null
group by 1;

-- key: coupon_revenue_365_days
select user_id, cast(sum(revenue) as double) as value from event
where event = 'Order Completed' and coupon is not null and happened >= as_of() - interval 365 days
    and revenue is not null
group by 1;

-- key: average_order_value_365_days
select user_id, cast(sum(revenue) * 100 as bigint) / (count(revenue) * 100) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days and revenue is not null
group by 1;

-- key: largest_order_365_days
select user_id, cast(max(revenue) as double) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days and revenue is not null
group by 1;

-- key: smallest_order_90_days
select user_id, cast(min(revenue) as double) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 90 days and revenue is not null
group by 1;

-- key: seconds_watched_30_days
select user_id, cast(sum(duration) as double) as value from event
where event = 'Video Played' and happened >= as_of() - interval 30 days and duration is not null
group by 1;

-- key: average_reading_seconds_90_days
select user_id, cast(sum(duration) * 1000 as bigint) / (count(duration) * 1000) as value from event
where event = 'Article Read' and happened >= as_of() - interval 90 days and duration is not null
group by 1;

-- key: dearest_garden_product_90_days
select user_id, cast(max(price) as double) as value from event
where event = 'Product Viewed' and category = 'garden' and happened >= as_of() - interval 90 days
    and price is not null
group by 1;

-- key: items_added_365_days
select user_id, cast(sum(quantity) as double) as value from event
where event = 'Product Added' and happened >= as_of() - interval 365 days and quantity is not null
group by 1;

-- ── most frequent values: the first in the alphabet of those that come as often ────────────────────────────

-- key: favourite_category_90_days
select user_id, category as value from (
    select user_id, category, count(*) as times from event
    where event = 'Product Viewed' and happened >= as_of() - interval 90 days and category is not null
    group by all
)
qualify row_number() over (partition by user_id order by times desc, category) = 1;

-- key: favourite_product_365_days
select user_id, product as value from (
    select user_id, product, count(*) as times from event
    where event = 'Product Viewed' and happened >= as_of() - interval 365 days and product is not null
    group by all having times >= 2
)
qualify row_number() over (partition by user_id order by times desc, product) = 1;

-- key: favourite_page_30_days
select user_id, page as value from (
    select user_id, page, count(*) as times from event
    where event = 'Content Viewed' and happened >= as_of() - interval 30 days and page is not null
    group by all
)
qualify row_number() over (partition by user_id order by times desc, page) = 1;

-- key: favourite_device_365_days
select user_id, device as value from (
    select user_id, device, count(*) as times from event
    where event = 'Content Viewed' and happened >= as_of() - interval 365 days and device is not null
    group by all having times >= 3
)
qualify row_number() over (partition by user_id order by times desc, device) = 1;

-- key: favourite_search_365_days
select user_id, category as value from (
    select user_id, category, count(*) as times from event
    where event = 'Products Searched' and happened >= as_of() - interval 365 days and category is not null
    group by all having times >= 2
)
qualify row_number() over (partition by user_id order by times desc, category) = 1;

-- ── first and last values: by time, then by message id ─────────────────────────────────────────────────────

-- key: first_order_category
select user_id, arg_min(category, row(happened, message_id)) as value from event
where event = 'Order Completed' and category is not null
group by 1;

-- key: first_page_365_days
select user_id, arg_min(page, row(happened, message_id)) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 365 days and page is not null
group by 1;

-- key: first_search_90_days
select user_id, arg_min(category, row(happened, message_id)) as value from event
where event = 'Products Searched' and happened >= as_of() - interval 90 days and category is not null
group by 1;

-- key: first_order_revenue_365_days
select user_id, cast(arg_min(revenue, row(happened, message_id)) as double) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days and revenue is not null
group by 1;

-- key: last_product_viewed_30_days
select user_id, arg_max(product, row(happened, message_id)) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 30 days and product is not null
group by 1;

-- key: last_device_90_days
select user_id, arg_max(device, row(happened, message_id)) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 90 days and device is not null
group by 1;

-- key: last_coupon_365_days
select user_id, arg_max(coupon, row(happened, message_id)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days and coupon is not null
group by 1;

-- key: last_bulk_category_90_days
select user_id, arg_max(category, row(happened, message_id)) as value from event
where event = 'Product Added' and quantity >= 3 and happened >= as_of() - interval 90 days and category is not null
group by 1;

-- ── unique values ──────────────────────────────────────────────────────────────────────────────────────────

-- key: categories_viewed_90_days
select user_id, list_sort(list(distinct category)) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 90 days and category is not null
group by 1;

-- key: products_added_list_365_days
select user_id, list_sort(list(distinct product)) as value from event
where event = 'Product Added' and happened >= as_of() - interval 365 days and product is not null
group by 1;

-- key: articles_read_30_days
select user_id, list_sort(list(distinct page)) as value from event
where event = 'Article Read' and happened >= as_of() - interval 30 days and page is not null
group by 1;

-- key: coupons_used_365_days
select user_id, list_sort(list(distinct coupon)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days and coupon is not null
group by 1;

-- key: products_viewed_90_days
select user_id, count(distinct product) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 90 days and product is not null
group by 1;

-- key: pages_viewed_30_days
select user_id, count(distinct page) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 30 days and page is not null
group by 1;

-- key: categories_searched_365_days
select user_id, count(distinct category) as value from event
where event = 'Products Searched' and happened >= as_of() - interval 365 days and category is not null
group by 1;

-- ── audiences ──────────────────────────────────────────────────────────────────────────────────────────────

-- key: frequent_viewers
select user_id from event
where event = 'Content Viewed' and happened >= as_of() - interval 30 days
group by 1 having count(*) >= 3;

-- key: recent_buyers
select distinct user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 30 days;

-- key: lapsed_buyers
select user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days
group by 1 having max(happened) < as_of() - interval 90 days;

-- key: never_logged_in_lately
select user_id from universe anti join (
    select user_id from event where event = 'User Logged In' and happened >= as_of() - interval 365 days
) using (user_id);

-- key: big_spenders
select user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days
group by 1 having sum(revenue) >= 500;

-- key: german_gardeners
select user_id from (
    select user_id, category, count(*) as times from event
    where event = 'Product Viewed' and happened >= as_of() - interval 90 days and category is not null
    group by user_id, category
    qualify row_number() over (partition by user_id order by times desc, category) = 1
) join profile using (user_id)
where category = 'garden' and country = 'DE';

-- key: valuable_readers
select user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 365 days
    and user_id in (
        select user_id from event
        where event = 'Content Viewed' and happened >= as_of() - interval 30 days and page is not null
    )
group by 1 having sum(revenue) > 100 * count(revenue) and max(happened) >= as_of() - interval 90 days;

-- Funnels ask for the next event after one: an "asof" join, which stays quick where one user owns millions of events.

-- key: abandoned_cart
select distinct added.user_id
from (
    from event where event = 'Product Added'
        and happened >= as_of() - interval 8 days and happened < as_of() - interval 1 day
) as added
asof left join (
    from event where event = 'Order Completed' and happened >= as_of() - interval 8 days
) as ordered
on ordered.user_id = added.user_id and ordered.cart_id = added.cart_id and ordered.happened > added.happened
where ordered.happened is null or ordered.happened > added.happened + interval 1 day;

-- key: added_after_viewing
select distinct viewed.user_id
from (from event where event = 'Product Viewed' and happened >= as_of() - interval 90 days) as viewed
asof join (from event where event = 'Product Added' and happened >= as_of() - interval 90 days) as added
on added.user_id = viewed.user_id and added.happened > viewed.happened
where added.happened <= viewed.happened + interval 7 days;

-- key: unfinished_checkout
select distinct started.user_id
from (from event where event = 'Checkout Started' and happened >= as_of() - interval 30 days) as started
asof left join (from event where event = 'Order Completed' and happened >= as_of() - interval 30 days) as ordered
on ordered.user_id = started.user_id and ordered.happened > started.happened
where ordered.happened is null or ordered.happened > started.happened + interval 3 days;

-- key: engaged_business_accounts
select account_id from event join member using (user_id) join account using (account_id)
where plan = 'business' and event = 'User Logged In' and happened >= as_of() - interval 30 days
group by 1 having count(*) >= 2;

-- key: accounts_without_orders
select account_id from account anti join (
    select account_id from member join event using (user_id)
    where event = 'Order Completed' and happened >= as_of() - interval 7 days
) using (account_id)
where plan in ('starter', 'team', 'business');
