CREATE DATABASE IF NOT EXISTS `parcels`;

CREATE TABLE `parcels`.`depots`
(
    `depot_id` UInt32,
    `depot_name` String,
    `region` String,
    `daily_capacity` UInt32
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `parcels`.`couriers`
(
    `courier_id` UInt32,
    `courier_name` String,
    `depot_id` UInt32 COMMENT 'references depots.depot_id',
    `vehicle` String,
    `started_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `parcels`.`parcels`
(
    `parcel_no` UInt32,
    `sender` String,
    `origin_depot_id` UInt32 COMMENT 'references depots.depot_id',
    `destination_depot_id` UInt32 COMMENT 'references depots.depot_id',
    `courier_id` UInt32 COMMENT 'references couriers.courier_id',
    `accepted_at` DateTime,
    `delivered_at` Nullable(DateTime),
    `weight_kg` Float64,
    `postage` Float64,
    `attempts` UInt8,
    `is_fragile` Bool
)
ENGINE = MergeTree ORDER BY tuple();
