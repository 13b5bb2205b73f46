CREATE DATABASE IF NOT EXISTS `museum`;

CREATE TABLE `museum`.`artists`
(
    `artist_id` UInt32,
    `artist_name` String,
    `nationality` String,
    `born` UInt16,
    `died` Nullable(UInt16)
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `museum`.`rooms`
(
    `room_id` UInt32,
    `room_name` String,
    `wing` String,
    `floor` UInt8
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `museum`.`artworks`
(
    `artwork_id` UInt32,
    `title` String,
    `artist_id` UInt32 COMMENT 'references artists.artist_id',
    `medium` String,
    `acquired_on` Date,
    `purchase_value` Nullable(Float64),
    `room_id` UInt32 COMMENT 'references rooms.room_id'
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `museum`.`loans`
(
    `loan_id` UInt32,
    `artwork_id` UInt32 COMMENT 'references artworks.artwork_id',
    `borrower` String,
    `country` String,
    `loaned_on` Date,
    `returned_on` Nullable(Date),
    `insured_for` Float64
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `museum`.`admissions`
(
    `admission_id` UInt32,
    `entered_at` DateTime,
    `ticket_type` String,
    `people` UInt8,
    `amount` Float64
)
ENGINE = MergeTree ORDER BY tuple();
