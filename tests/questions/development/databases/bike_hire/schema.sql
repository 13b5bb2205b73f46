CREATE DATABASE IF NOT EXISTS `bike_hire`;

CREATE TABLE `bike_hire`.`stations`
(
    `station_id` UInt32,
    `name` String,
    `district` String,
    `docks` UInt16,
    `opened_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `bike_hire`.`bikes`
(
    `bike_id` UInt32,
    `model` String,
    `kind` String,
    `purchased_on` Date,
    `purchase_price` Float64,
    `retired_on` Nullable(Date)
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `bike_hire`.`members`
(
    `member_id` UInt32,
    `first_name` String,
    `last_name` String,
    `email` String,
    `plan` String,
    `birth_year` UInt16,
    `joined_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `bike_hire`.`trips`
(
    `trip_id` UInt32,
    `bike_id` UInt32 COMMENT 'references bikes.bike_id',
    `member_id` UInt32 COMMENT 'references members.member_id',
    `start_station_id` UInt32 COMMENT 'references stations.station_id',
    `end_station_id` UInt32 COMMENT 'references stations.station_id',
    `started_at` DateTime,
    `duration_min` Float64,
    `distance_km` Float64,
    `fare` Float64
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `bike_hire`.`repairs`
(
    `repair_id` UInt32,
    `bike_id` UInt32 COMMENT 'references bikes.bike_id',
    `reported_on` Date,
    `fixed_on` Nullable(Date),
    `fault` String,
    `cost` Float64
)
ENGINE = MergeTree ORDER BY tuple();
