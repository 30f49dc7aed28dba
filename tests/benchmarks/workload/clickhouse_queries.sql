-- One query per definition, in ClickHouse's SQL; see duckdb_queries.sql, of which nothing is shared but the meaning.
-- Columns: user_id (of accounts account_id), and value where it is a trait. Sums are exact decimals, rounded once.

-- ── counters ───────────────────────────────────────────────────────────────────────────────────────────────

-- key: content_views_7_days
select user_id, count(*) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 7 day
group by 1;

-- key: content_views_90_days
select user_id, count(*) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 90 day
group by 1;

-- key: product_views_30_days
select user_id, count(*) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 30 day
group by 1;

-- key: expensive_product_views_365_days
select user_id, count(*) as value from event
where event = 'Product Viewed' and price >= 100 and happened >= as_of() - interval 365 day
group by 1;

-- key: searches_30_days
select user_id, count(*) as value from event
where event = 'Products Searched' and happened >= as_of() - interval 30 day
group by 1;

-- key: products_added_90_days
select user_id, count(*) as value from event
where event = 'Product Added' and happened >= as_of() - interval 90 day
group by 1;

-- key: orders_365_days
select user_id, count(*) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day
group by 1;

-- key: orders_90_days
select user_id, ordered.orders as value from universe left join (
    select user_id, count(*) as orders from event
    where event = 'Order Completed' and happened >= as_of() - interval 90 day
    group by 1
) as ordered using (user_id);

-- key: mobile_logins_30_days
select user_id, count(*) as value from event
where event = 'User Logged In' and device in ('ios', 'android') and happened >= as_of() - interval 30 day
group by 1;

-- key: emails_opened_7_days
select user_id, count(*) as value from event
where event = 'Email Opened' and happened >= as_of() - interval 7 day
group by 1;

-- ── aggregations ───────────────────────────────────────────────────────────────────────────────────────────

-- key: revenue_365_days
select user_id, toFloat64(sum(revenue)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day and revenue is not null
group by 1;

-- key: revenue_90_days
select user_id, toFloat64(sum(revenue)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 90 day and revenue is not null
group by 1;

-- key: coupon_revenue_365_days
select user_id, toFloat64(sum(revenue)) as value from event
where event = 'Order Completed' and coupon is not null and happened >= as_of() - interval 365 day
    and revenue is not null
group by 1;

-- key: average_order_value_365_days
select user_id, toInt64(sum(revenue) * 100) / (count(revenue) * 100) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day and revenue is not null
group by 1;

-- key: largest_order_365_days
select user_id, toFloat64(max(revenue)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day and revenue is not null
group by 1;

-- key: smallest_order_90_days
select user_id, toFloat64(min(revenue)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 90 day and revenue is not null
group by 1;

-- key: seconds_watched_30_days
select user_id, toFloat64(sum(duration)) as value from event
where event = 'Video Played' and happened >= as_of() - interval 30 day and duration is not null
group by 1;

-- key: average_reading_seconds_90_days
select user_id, toInt64(sum(duration) * 1000) / (count(duration) * 1000) as value from event
where event = 'Article Read' and happened >= as_of() - interval 90 day and duration is not null
group by 1;

-- key: dearest_garden_product_90_days
select user_id, toFloat64(max(price)) as value from event
where event = 'Product Viewed' and category = 'garden' and happened >= as_of() - interval 90 day
    and price is not null
group by 1;

-- key: items_added_365_days
select user_id, toFloat64(sum(quantity)) as value from event
where event = 'Product Added' and happened >= as_of() - interval 365 day and quantity is not null
group by 1;

-- ── most frequent values: the first in the alphabet of those that come as often ────────────────────────────

-- key: favourite_category_90_days
select user_id, argMin(category, tuple(-toInt64(times), category)) as value from (
    select user_id, category, count(*) as times from event
    where event = 'Product Viewed' and happened >= as_of() - interval 90 day and category is not null
    group by 1, 2
)
group by 1;

-- key: favourite_product_365_days
select user_id, argMin(product, tuple(-toInt64(times), product)) as value from (
    select user_id, product, count(*) as times from event
    where event = 'Product Viewed' and happened >= as_of() - interval 365 day and product is not null
    group by 1, 2 having times >= 2
)
group by 1;

-- key: favourite_page_30_days
select user_id, argMin(page, tuple(-toInt64(times), page)) as value from (
    select user_id, page, count(*) as times from event
    where event = 'Content Viewed' and happened >= as_of() - interval 30 day and page is not null
    group by 1, 2
)
group by 1;

-- key: favourite_device_365_days
select user_id, argMin(device, tuple(-toInt64(times), device)) as value from (
    select user_id, device, count(*) as times from event
    where event = 'Content Viewed' and happened >= as_of() - interval 365 day and device is not null
    group by 1, 2 having times >= 3
)
group by 1;

-- key: favourite_search_365_days
select user_id, argMin(category, tuple(-toInt64(times), category)) as value from (
    select user_id, category, count(*) as times from event
    where event = 'Products Searched' and happened >= as_of() - interval 365 day and category is not null
    group by 1, 2 having times >= 2
)
group by 1;

-- ── first and last values: by time, then by message id ─────────────────────────────────────────────────────

-- key: first_order_category
select user_id, argMin(category, tuple(happened, message_id)) as value from event
where event = 'Order Completed' and category is not null
group by 1;

-- key: first_page_365_days
select user_id, argMin(page, tuple(happened, message_id)) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 365 day and page is not null
group by 1;

-- key: first_search_90_days
select user_id, argMin(category, tuple(happened, message_id)) as value from event
where event = 'Products Searched' and happened >= as_of() - interval 90 day and category is not null
group by 1;

-- key: first_order_revenue_365_days
select user_id, toFloat64(argMin(revenue, tuple(happened, message_id))) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day and revenue is not null
group by 1;

-- key: last_product_viewed_30_days
select user_id, argMax(product, tuple(happened, message_id)) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 30 day and product is not null
group by 1;

-- key: last_device_90_days
select user_id, argMax(device, tuple(happened, message_id)) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 90 day and device is not null
group by 1;

-- key: last_coupon_365_days
select user_id, argMax(coupon, tuple(happened, message_id)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day and coupon is not null
group by 1;

-- key: last_bulk_category_90_days
select user_id, argMax(category, tuple(happened, message_id)) as value from event
where event = 'Product Added' and quantity >= 3 and happened >= as_of() - interval 90 day and category is not null
group by 1;

-- ── unique values ──────────────────────────────────────────────────────────────────────────────────────────

-- key: categories_viewed_90_days
select user_id, arraySort(groupUniqArray(category)) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 90 day and category is not null
group by 1;

-- key: products_added_list_365_days
select user_id, arraySort(groupUniqArray(product)) as value from event
where event = 'Product Added' and happened >= as_of() - interval 365 day and product is not null
group by 1;

-- key: articles_read_30_days
select user_id, arraySort(groupUniqArray(page)) as value from event
where event = 'Article Read' and happened >= as_of() - interval 30 day and page is not null
group by 1;

-- key: coupons_used_365_days
select user_id, arraySort(groupUniqArray(coupon)) as value from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day and coupon is not null
group by 1;

-- key: products_viewed_90_days
select user_id, uniqExact(product) as value from event
where event = 'Product Viewed' and happened >= as_of() - interval 90 day and product is not null
group by 1;

-- key: pages_viewed_30_days
select user_id, uniqExact(page) as value from event
where event = 'Content Viewed' and happened >= as_of() - interval 30 day and page is not null
group by 1;

-- key: categories_searched_365_days
select user_id, uniqExact(category) as value from event
where event = 'Products Searched' and happened >= as_of() - interval 365 day and category is not null
group by 1;

-- ── audiences ──────────────────────────────────────────────────────────────────────────────────────────────

-- key: frequent_viewers
select user_id from event
where event = 'Content Viewed' and happened >= as_of() - interval 30 day
group by 1 having count(*) >= 3;

-- key: recent_buyers
select distinct user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 30 day;

-- key: lapsed_buyers
select user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day
group by 1 having max(happened) < as_of() - interval 90 day;

-- key: never_logged_in_lately
select user_id from universe where user_id not in (
    select user_id from event where event = 'User Logged In' and happened >= as_of() - interval 365 day
);

-- key: big_spenders
select user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day
group by 1 having sum(revenue) >= 500;

-- key: german_gardeners
select user_id from (
    select user_id, category, count(*) as times from event
    where event = 'Product Viewed' and happened >= as_of() - interval 90 day and category is not null
    group by 1, 2
)
where user_id in (select user_id from profile where country = 'DE')
group by 1 having argMin(category, tuple(-toInt64(times), category)) = 'garden';

-- key: valuable_readers
select user_id from event
where event = 'Order Completed' and happened >= as_of() - interval 365 day
    and user_id in (
        select user_id from event
        where event = 'Content Viewed' and happened >= as_of() - interval 30 day and page is not null
    )
group by 1 having sum(revenue) > 100 * count(revenue) and max(happened) >= as_of() - interval 90 day;

-- Funnels ask for the next event after one: an "asof" join, which stays quick where one user owns millions of events.

-- key: abandoned_cart
select distinct added.user_id as user_id
from (
    select user_id, cart_id, assumeNotNull(happened) as happened from event
    where event = 'Product Added' and happened >= as_of() - interval 8 day and happened < as_of() - interval 1 day
) as added
asof left join (
    select user_id, cart_id, assumeNotNull(happened) as happened from event
    where event = 'Order Completed' and happened >= as_of() - interval 8 day
) as ordered
on ordered.user_id = added.user_id and ordered.cart_id = added.cart_id and ordered.happened > added.happened
where ordered.user_id is null or ordered.happened > added.happened + interval 1 day;

-- key: added_after_viewing
select distinct viewed.user_id as user_id
from (
    select user_id, assumeNotNull(happened) as happened from event
    where event = 'Product Viewed' and happened >= as_of() - interval 90 day
) as viewed
asof join (
    select user_id, assumeNotNull(happened) as happened from event
    where event = 'Product Added' and happened >= as_of() - interval 90 day
) as added
on added.user_id = viewed.user_id and added.happened > viewed.happened
where added.happened <= viewed.happened + interval 7 day;

-- key: unfinished_checkout
select distinct started.user_id as user_id
from (
    select user_id, assumeNotNull(happened) as happened from event
    where event = 'Checkout Started' and happened >= as_of() - interval 30 day
) as started
asof left join (
    select user_id, assumeNotNull(happened) as happened from event
    where event = 'Order Completed' and happened >= as_of() - interval 30 day
) as ordered
on ordered.user_id = started.user_id and ordered.happened > started.happened
where ordered.user_id is null or ordered.happened > started.happened + interval 3 day;

-- key: engaged_business_accounts
select account_id from event join member using (user_id)
where event = 'User Logged In' and happened >= as_of() - interval 30 day
    and account_id in (select account_id from account where plan = 'business')
group by 1 having count(*) >= 2;

-- key: accounts_without_orders
select account_id from account
where plan in ('starter', 'team', 'business') and account_id not in (
    select account_id from member where user_id in (
        select user_id from event where event = 'Order Completed' and happened >= as_of() - interval 7 day
    )
);
