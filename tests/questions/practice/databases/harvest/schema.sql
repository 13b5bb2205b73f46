CREATE DATABASE IF NOT EXISTS `harvest`;

CREATE TABLE `harvest`.`farms`
(
    `farm_id` UInt32,
    `farm_name` String,
    `village` String,
    `founded` UInt16,
    `is_organic` Bool
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `harvest`.`fields`
(
    `field_id` UInt32,
    `farm_id` UInt32 COMMENT 'references farms.farm_id',
    `area_ha` Float64,
    `crop` String
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `harvest`.`buyers`
(
    `buyer_id` UInt32,
    `buyer_name` String,
    `kind` String
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `harvest`.`harvests`
(
    `harvest_id` UInt32,
    `field_id` UInt32 COMMENT 'references fields.field_id',
    `harvested_on` Date,
    `tonnes` Float64,
    `grade` String
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `harvest`.`sales`
(
    `sale_id` UInt32,
    `farm_id` UInt32 COMMENT 'references farms.farm_id',
    `buyer_id` UInt32 COMMENT 'references buyers.buyer_id',
    `sold_on` Date,
    `crop` String,
    `quantity_kg` UInt32,
    `price_per_kg` Float64,
    `paid_on` Nullable(Date)
)
ENGINE = MergeTree ORDER BY tuple();
