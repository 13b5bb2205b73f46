CREATE DATABASE IF NOT EXISTS `learning`;

CREATE TABLE `learning`.`teachers`
(
    `id` UInt32,
    `name` String,
    `country` String,
    `joined_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `learning`.`courses`
(
    `id` UInt32,
    `title` String,
    `topic` String,
    `teacher_id` UInt32 COMMENT 'references teachers.id',
    `price` Float64,
    `hours` UInt16,
    `level` String,
    `published_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `learning`.`learners`
(
    `id` UInt32,
    `name` String,
    `email` String,
    `country` String,
    `birth_year` UInt16,
    `signed_up_on` Date
)
ENGINE = MergeTree ORDER BY tuple();

CREATE TABLE `learning`.`enrolments`
(
    `id` UInt32,
    `learner_id` UInt32 COMMENT 'references learners.id',
    `course_id` UInt32 COMMENT 'references courses.id',
    `enrolled_at` DateTime,
    `completed_at` Nullable(DateTime),
    `amount_paid` Float64,
    `rating` Nullable(UInt8),
    `refunded` Bool
)
ENGINE = MergeTree ORDER BY tuple();
