CREATE DATABASE IF NOT EXISTS `power_cooperative`;

CREATE TABLE `power_cooperative`.`sites`
(
    `site_code` String,
    `site_name` String,
    `region` String,
    `kind` String,
    `capacity_kw` UInt32,
    `commissioned` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `power_cooperative`.`daily_output`
(
    `site_code` String COMMENT 'references sites.site_code',
    `day` Date,
    `energy_kwh` Float64,
    `downtime_hours` Float64
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `power_cooperative`.`technicians`
(
    `tech_id` UInt32,
    `surname` String,
    `home_region` String,
    `hourly_rate` Float64,
    `left_on` Nullable(Date)
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `power_cooperative`.`visits`
(
    `visit_id` UInt32,
    `site_code` String COMMENT 'references sites.site_code',
    `tech_id` UInt32 COMMENT 'references technicians.tech_id',
    `visited_on` Date,
    `hours` Float64,
    `purpose` String,
    `parts_cost` Float64
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `power_cooperative`.`customers`
(
    `customer_no` UInt32,
    `customer_name` String,
    `segment` String,
    `region` String,
    `customer_since` Date,
    `email` Nullable(String)
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `power_cooperative`.`invoices`
(
    `invoice_no` UInt32,
    `customer_no` UInt32 COMMENT 'references customers.customer_no',
    `issued_on` Date,
    `due_on` Date,
    `paid_on` Nullable(Date),
    `kwh` Float64,
    `amount` Float64
)
ENGINE = MergeTree ORDER BY tuple();
