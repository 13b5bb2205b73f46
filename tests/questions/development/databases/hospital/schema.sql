CREATE DATABASE IF NOT EXISTS `hospital`;

CREATE TABLE `hospital`.`wards`
(
    `ward_id` UInt32,
    `name` String,
    `building` String,
    `floor` UInt8,
    `beds` UInt16
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `hospital`.`doctors`
(
    `doctor_id` UInt32,
    `full_name` String,
    `specialty` String,
    `ward_id` UInt32 COMMENT 'references wards.ward_id',
    `hired_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `hospital`.`patients`
(
    `patient_id` UInt32,
    `full_name` String,
    `sex` String,
    `born_on` Date32,
    `city` String,
    `blood_group` Nullable(String)
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `hospital`.`stays`
(
    `stay_id` UInt32,
    `patient_id` UInt32 COMMENT 'references patients.patient_id',
    `ward_id` UInt32 COMMENT 'references wards.ward_id',
    `doctor_id` UInt32 COMMENT 'references doctors.doctor_id',
    `admitted_at` DateTime,
    `discharged_at` Nullable(DateTime),
    `reason` String,
    `is_emergency` Bool,
    `cost_eur` Float64
)
ENGINE = MergeTree ORDER BY tuple();
