CREATE DATABASE IF NOT EXISTS `film_festival`;

CREATE TABLE `film_festival`.`films`
(
    `film_id` UInt32,
    `title` String,
    `director` String,
    `country` String,
    `release_year` UInt16,
    `runtime_minutes` UInt16,
    `genre` String,
    `is_documentary` Bool,
    `budget_usd` Nullable(Float64)
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `film_festival`.`venues`
(
    `venue_id` UInt32,
    `venue_name` String,
    `neighbourhood` String,
    `capacity` UInt16,
    `opened` UInt16
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `film_festival`.`screenings`
(
    `screening_id` UInt32,
    `film_id` UInt32 COMMENT 'references films.film_id',
    `venue_id` UInt32 COMMENT 'references venues.venue_id',
    `starts_at` DateTime,
    `language` String,
    `list_price` Float64
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `film_festival`.`guests`
(
    `guest_id` UInt32,
    `guest_name` String,
    `city` String,
    `tier` String,
    `signed_up` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `film_festival`.`tickets`
(
    `ticket_id` UInt32,
    `screening_id` UInt32 COMMENT 'references screenings.screening_id',
    `guest_id` UInt32 COMMENT 'references guests.guest_id',
    `bought_at` DateTime,
    `price_paid` Float64,
    `channel` String,
    `status` String
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `film_festival`.`ratings`
(
    `guest_id` UInt32 COMMENT 'references guests.guest_id',
    `film_id` UInt32 COMMENT 'references films.film_id',
    `stars` UInt8,
    `rated_on` Date
)
ENGINE = MergeTree ORDER BY tuple();
