"""Small invented catalogues of many trades, without rows: a library, baggage, software events, calls."""

from __future__ import annotations

from aidatalabs_services.agent.planner.catalogue import Catalogue, Column, Table

_TYPES = {
    "i": "UInt32", "f": "Float64", "s": "String", "d": "Date", "t": "DateTime", "b": "Bool",
    "nd": "Nullable(Date)", "nt": "Nullable(DateTime)",
}  # fmt: skip
_LOW_HIGH = {
    "i": ("1", "500"), "f": ("1", "500"), "d": ("2024-01-01", "2025-12-31"),
    "nd": ("2024-01-01", "2025-12-31"),
    "t": ("2024-01-01 00:00:00", "2025-12-31 10:00:00"), "nt": ("2024-01-01 00:00:00", "2025-12-31 10:00:00"),
}  # fmt: skip


def _column(spec: str, rows: int, first: bool) -> Column:
    """`name:type`, `name:type:*distinct` or `name:type:value,value`; the first column is the key."""
    name, kind, rest = [*spec.split(":"), ""][:3]
    low, high = ("1900", "2010") if name.endswith("_year") else _LOW_HIGH.get(kind, (None, None))
    values = tuple(rest.replace("~", " ").split(",")) if rest and rest[0] != "*" else ()
    distinct = rows if first else int(rest[1:]) if rest.startswith("*") else len(values) or rows // 3
    high = str(distinct) if kind == "i" and (first or rest.startswith("*")) else high
    return Column(
        name, _TYPES[kind], distinct_count=distinct, null_share=0.2 if kind[0] == "n" else 0.0,
        minimum=low, maximum=high, values=values, values_complete=bool(values),
        path_of="properties" if name.startswith("properties.") else None,
    )  # fmt: skip


def world(name: str, **tables: tuple[int, str]) -> Catalogue:
    """A catalogue of tables given as rows and columns."""
    made = []
    for table, (rows, spec) in tables.items():
        keyed = table != "events"
        columns = (_column(one, rows, keyed and n == 0) for n, one in enumerate(spec.split()))
        made.append(Table(table, tuple(columns), rows))
    return Catalogue(tuple(made), name)


LIBRARY = world(
    "library",
    books=(900, "book_id:i title:s:*900 genre:s:crime,poetry,travel pages:i price:f"),
    readers=(300, "reader_id:i reader_name:s:*300 birth_date:d town:s:Ely,Bath,York"),
    loans=(
        2000,
        "loan_id:i book_id:i:*800 reader_id:i:*290 borrowed_on:d returned_on:nd branch:s:Central,North",
    ),
)
BAGGAGE = world(
    "baggage",
    bags=(
        5000,
        "bag_tag_id:i flight_no:s:AB12,CD7 weight_kg:f loaded_at:t delivered_at:nt cabin:s:rear,front",
    ),
    claims=(200, "claim_id:i bag_tag_id:i:*200 filed_on:d settled_on:nd amount:f reason:s:lost,damaged"),
)
SOFTWARE = world(
    "software",
    events=(40000, "timestamp:t event_type:s:account_created,logged_in,report_exported,plan_cancelled"
                   ",teammate_invited"
                   ",payment_failed,session_started user_id:i:*900 properties.plan:s:free,pro "
                   "properties.country:s:Spain,Kenya value:f"),
)  # fmt: skip
CALLS = world(
    "calls",
    calls=(20000, "call_id:i agent_id:i:*40 started_at:t answered_at:nt ended_at:nt topic:s:billing,sales"),
    agents=(40, "agent_id:i agent_name:s:*40 team:s:red,blue"),
)
HOTEL = world(
    "hotel",
    guests=(900, "guest_id:i guest_name:s:*900 nationality:s:Dutch,Swiss"),
    rooms=(80, "room_id:i floor:i beds:i nightly_rate:f room_type:s:single,suite"),
    bookings=(3000, "booking_id:i guest_id:i:*900 room_id:i:*80 arrival_date:d departure_date:d adults:i "
                    "channel:s:phone,web"),
)  # fmt: skip
MUSEUM = world(
    "museum",
    halls=(9, "hall_id:i hall_name:s:*9"),
    artefacts=(
        400,
        "artefact_id:i label:s:*400 hall_id:i:*8 insured_value:f purchase_value:f vehicle:s:cart,sledge",
    ),
    tickets=(4000, "ticket_id:i entered_at:t people:i ticket_type:s:adult,family"),
)
MILLS = world(
    "mills",
    mills=(12, "mill_id:i mill_name:s:*12 valley:s:Upper,Lower founded_year:i plot_ha:f"),
    ponds=(40, "pond_id:i mill_id:i:*11 surface_acres:f"),
    keepers=(30, "keeper_id:i keeper_name:s:*30 birth_year:i mill_id:i:*12"),
    grindings=(900, "grinding_id:i mill_id:i:*12 grain:s:rye,oats ground_on:d tonnes:f checked_on:nd"),
    customers=(60, "customer_id:i customer_name:s:*60 sort:s:bakery,brewery"),
    purchases=(
        3000,
        "purchase_id:i customer_id:i:*55 mill_id:i:*12 bought_on:d weight_kg:i price_per_kg:f settled_on:nd",
    ),
)
GUILD = world(
    "guild",
    masters=(20, "master_id:i master_name:s:*20 birth_year:i joined_on:d"),
    workshops=(50, "workshop_id:i workshop_name:s:*50 master_id:i:*19 craft:s:weaving,carving fee:f"),
    apprentices=(400, "apprentice_id:i apprentice_name:s:*400 birth_year:i"),
    registrations=(
        2500,
        "registration_id:i workshop_id:i:*45 apprentice_id:i:*380 registered_at:t completed_at:nt"
        " amount_paid:f score:f",
    ),
)
PODCASTS = world(
    "podcasts",
    events=(40000, "timestamp:t event_type:s:profile_created,episode_played,episode_shared,lookup"
                   ",membership_started,membership_cancelled"
                   " user_id:i:*900 properties.topic:s:news,sport properties.device:s:phone,radio"
                   " properties.tier:s:gold,silver value:f"),
)  # fmt: skip
SCOOTERS = world(
    "scooters",
    events=(9000, "timestamp:t event_type:s:rental_started,rental_extended,rental_ended,scooter_reported"
                  " user_id:i:*400 value:f"),
)  # fmt: skip
