CREATE DATABASE IF NOT EXISTS `analytics`;

CREATE TABLE `analytics`.`events`
(
    `timestamp` DateTime64(3),
    `event_type` LowCardinality(String),
    `user_id` UInt64,
    `properties` JSON,
    `value` Float64
)
ENGINE = MergeTree ORDER BY (timestamp, event_type);
