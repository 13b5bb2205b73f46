"""The closed-class words of questions: operators, fillers, synonyms. No word here belongs to any one data
set.

A phrase maps to (kind, payload). Longer phrases win. Words that carry no meaning for the query are
fillers; everything else that is neither here nor a name or value of the data is unknown, and the planner
says so.
"""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _phrases(kind: str, table: dict[str, str]) -> dict[tuple[str, ...], tuple[str, str]]:
    return {
        tuple(phrase.split()): (kind, payload)
        for payload, phrases in table.items()
        for phrase in phrases.split("|")
    }


OPERATORS: dict[tuple[str, ...], tuple[str, str]] = {
    **_phrases(
        "count",
        {
            "count": "how many|number of|total number of|count of|counts of|count the number of|# of|#"
            "|count|counts"
            "|count how many|the number of|total count of|overall number of|how often|how many times|number"
        },
    ),
    **_phrases("distinct", {"distinct": "distinct|unique|different"}),
    **_phrases(
        "fn",
        {
            "avg": "average|avg|mean|averages|on average|the average of",
            "sum": "total|sum|sum of|totals|combined|sum total of|summed|sum up|add up",
            "min": "minimum|min|minimal",
            "max": "maximum|max|maximal",
            "median": "median|medians",
            "stddev": "standard deviation|std dev|stddev|std deviation|standard deviations|std",
            "variance": "variance|variances",
        },
    ),
    **_phrases("how_much", {"sum": "how much"}),
    **_phrases(
        "share",
        {
            "share": "share of|share|percentage of|percentage|percent of|percent|proportion of"
            "|proportion|fraction of"
            "|what percentage of|what percent of|what share of|what fraction of|what proportion of"
            "|in percent|%|% of"
        },
    ),
    **_phrases(
        "by",
        {
            "by": "by|per|grouped by|group by|broken down by|break down by|split by|for each|for every"
            "|in each"
            "|at each|of each|from each|each|every|with each|by each|on each|per each|to each"
            "|breakdown by|for each of"
        },
    ),
    **_phrases("breakdown", {"breakdown": "break down|breakdown of|breakdown|split"}),
    **_phrases(
        "filler",
        {
            "phrase": "account for|accounts for|accounted for|make up|makes up|do we own|we own"
            "|do we hold|do we keep|do we have|we have|in the collection"
            "|in our collection"
            "|in our books|on our books|to their name|to its name|monday first|starting on monday"
            "|in total|so far|in all|answer this question|my question is"
            "|the question is|of all time|there are|at all|for me|us the|up to now"
        },
    ),
    **_phrases("which", {"which": "which|what|who|whose|which one of|what kind of|which of"}),
    **_phrases("when", {"when": "when"}),
    **_phrases(
        "list",
        {"list": "list|show|display|give|return|print|get|find|tell|view|list all|show all|list of|fetch"},
    ),
    **_phrases("most", {"desc": "most", "asc": "least|fewest"}),
    **_phrases(
        "frequent",
        {
            "desc": "most common|most frequent|most popular|most often|commonest|busiest|most active"
            "|most frequently",
            "asc": "least common|least frequent|rarest|least popular|quietest|least busy|least often"
            "|least active",
        },
    ),
    **_phrases("extreme", {"desc": "highest|greatest|top most", "asc": "lowest"}),
    **_phrases("top", {"desc": "top", "asc": "bottom"}),
    **_phrases("vague", {"desc": "best|better|good", "asc": "worst|worse|bad"}),
    **_phrases(
        "order",
        {
            "by": "sorted by|ordered by|order by|sort by|ranked by|rank by|sort|in order of",
            "desc": "descending|desc|highest first|largest first|biggest first|most first|in descending order"
            "|from highest to lowest|from high to low|high to low|decreasing|in descending order of",
            "asc": "ascending|asc|lowest first|smallest first|in ascending order|from lowest to highest"
            "|from low to high|low to high|increasing|in ascending order of",
            "new": "newest first|latest first|most recent first",
            "old": "oldest first|earliest first|chronologically|in chronological order",
        },
    ),
    **_phrases(
        "cmp",
        {
            "gt": "more than|over|above|greater than|higher than|larger than|bigger than|exceeding"
            "|exceeds|exceed"
            "|exceeded|>|in excess of|beyond|of more than|of over",
            "ge": "at least|no less than|not less than|no fewer than|>=|minimum of|a minimum of|not under",
            "lt": "less than|fewer than|under|below|lower than|smaller than|<|of less than",
            "le": "at most|up to|no more than|not more than|<=|maximum of|a maximum of|not over",
            "eq": "exactly|equal to|equals|equal|=|of exactly",
            "ne": "!=|<>|not equal to",
            "between": "between",
        },
    ),
    **_phrases(
        "or_cmp", {"ge": "or more|or higher|or above|or greater", "le": "or less|or fewer|or lower|or below"}
    ),
    **_phrases(
        "neg",
        {
            "neg": "not|except|except for|excluding|other than|without|no|non|not including|but not"
            "|apart from"
            "|all but|besides"
        },
    ),
    **_phrases("present", {"present": "of those with any"}),
    **_phrases("known", {"known": "with known|with a known|with any known"}),
    **_phrases("missing", {"missing": "missing|no known|lacking|unknown|without any"}),
    **_phrases("and", {"and": "and|&|as well as|together with|along with|,|;|and also"}),
    **_phrases("or", {"or": "or|either"}),
    **_phrases(
        "prep",
        {
            p: p
            for p in (
                "of",
                "in",
                "to",
                "from",
                "on",
                "at",
                "with",
                "for",
                "into",
                "within",
                "via",
                "among",
                "across",
                "through",
            )
        },
    ),
    **_phrases(
        "prep",
        {
            "to": "end at|ends at|ended at|ending at|finish at|finished at"
            "|finishing at|arrived at|arrived in|arrive at|arrive in|landed at|landed in|flew to|fly to"
            "|bound for|arriving at|arriving in|arriving|going to|headed to|heading to|towards"
        },
    ),
    **_phrases(
        "prep",
        {
            "from": "start at|starts at|started at|starting at|begin at|begins at|began at|start from"
            "|started from|departed from|depart from|departs from|left from|started from|out of"
            "|departing from|departing|leaving from|leaving|coming from|starting from"
        },
    ),
    **_phrases("where", {"where": "where|that|having|with|who have|that have|which have|whose"}),
    **_phrases("first", {"asc": "first|earliest|oldest", "desc": "last|latest|newest|most recent"}),
    **_phrases("versus", {"versus": "versus|vs|compared to|compared with|compare|than"}),
}

FILLERS = _words(
    """
    a an the is are was were be been being there here do does did have has had having me us we our ours
    you your i my it its their them they this that these those please can could would also all any some
    ever overall in-total altogether data database dataset record records row rows entry entries whats
    just only kindly like want need such information info respectively together then actually how as so
    """
)
"""Words that never change the query. They are names first: a column of that name wins."""

QUANTIFIERS = _words("only just all")
"""Fillers that change the question where they are said of what somebody has: `cities with only paid
orders`."""

CLOSED_WORDS = frozenset(
    phrase[0]
    for phrase, (kind, _) in OPERATORS.items()
    if len(phrase) == 1
    and kind in ("fn", "neg", "missing", "prep", "cmp", "or_cmp", "and", "or", "by", "where")
)
"""Words that say how other words are meant; never a part of a name or a value run together of several."""

CLOSING_WORDS = _words("id code key no nr name number title")
"""Last words of names that only say how a thing is told apart."""

TABLE_WORDS = _words("table tables")
"""Fillers beside the name of a table, and something else anywhere else."""

QUANTITIES = _words("value values amount amounts figure figures")
"""Words for some number of the rows: which one, the words beside them tell, or nobody."""

ACTING_VERBS = _words(
    """
    handled handle handles showed shown scored served serves gave give gives sent send sends carried carry
    carries wrote write writes drove drive drives taught teach teaches rode ride rides hosted host hosts
    brought bring brings
    """
)
"""Verbs between who and how much that add nothing: `which clerk handled the most cases`."""

LIGHT_VERBS = _words(
    """
    made make makes happen happens happened occur occurs occurred took take takes taken place exist
    exists existed recorded registered get gets got received receive go goes went going come comes came
    contain contains hold holds belong belongs see seen saw use used using uses placed done appear
    appears appeared located living based given called named sit stored coming brought bring brings
    generate generates generated involve involves involving found performed perform run ran operate
    operates operated operating collected
    """
)
"""Verbs that say no more than that the thing exists. Participles that could be a status are not among
them."""

VERB_NOUNS = {
    "flew": "flight", "fly": "flight", "flies": "flight", "flown": "flight", "flying": "flight",
    "sold": "sale",
    "sell": "sale", "sells": "sale", "selling": "sale", "bought": "purchase", "buy": "purchase",
    "buys": "purchase",
    "purchased": "purchase", "ordered": "order", "orders": "order", "paid": "payment", "pay": "payment",
    "departed": "departure", "depart": "departure", "arrived": "arrival", "arrive": "arrival", "lent": "loan",
    "borrowed": "loan", "borrow": "loan", "loaned": "loan", "visited": "visit", "visit": "visit",
    "rented": "rental",
    "rent": "rental", "measured": "measurement", "reserved": "reservation", "booked": "booking",
    "book": "booking",
    "signed": "signup", "shipped": "shipment", "delivered": "delivery", "returned": "return",
    "logged": "login",
    "clicked": "click", "viewed": "view", "searched": "search", "subscribed": "subscription", "died": "death",
}  # fmt: skip
"""Verbs and the noun they act out: `borrowed` is understood where the rows are loans."""

TRADES = frozenset(("sale", "order", "purchase", "transaction"))
"""What selling, ordering and buying are told as: one event."""

SYNONYMS: tuple[frozenset[str], ...] = tuple(
    frozenset(group.split())
    for group in (
        "customer client",
        "employee worker staff",
        "store shop",
        "city town",
        "country nation",
        "type kind sort",
        "destination target",
        "gender sex",
        "company firm business",
        "salary wage",
        "email mail",
        "phone telephone",
        "postcode zip",
        "supplier vendor",
        "teacher instructor",
        "student pupil",
        "author writer",
        "movie film",
        "vehicle car",
        "quantity unit",
        "person human",
        "population person inhabitant resident visitor attendee",
        "salesperson seller",
        "manufacturer maker",
        "weight weigh",
    )
)

ABBREVIATIONS = {
    "qty": "quantity", "amt": "amount", "num": "number", "dept": "department",
    "mgr": "manager", "addr": "address",
    "pct": "percent", "temp": "temperature", "cust": "customer", "prod": "product", "acct": "account",
}  # fmt: skip
"""What people shorten in questions; other words of theirs only count as the beginning of a name."""

ORDINARY_WORDS = _words(
    """
    age count user date state city plan rank art port part form cat dog car bus day week month year hour
    time name type kind code key value price cost rate unit order item book page event sale shop store
    club team game song note text test task role rule size area line list link land lake life level
    label house home head hand group good fund food flow floor flat flag fish fire film file field farm
    face end door desk deal death data class chain cell case card call body board bill bike band bank
    ball bag base air act add app bar bed box boy cap cup cut ear egg eye fan fat fee fit fly gas gun
    guy hat hit ice ink job kid lab law leg log lot map mat men mix net oil pay pen pet pie pin pit pot
    pub red row run sea seat set sex show sky son sun tag tax tea ton top toy tree van war way win wine
    wood work zone man comp plane stop start sport style train track trade trip truck water wave width
    window word world account amount country serial person post pass
    """
)
"""Whole words: a column part among them is never taken for the beginning of a longer word."""

ADDITIVE_WORDS = _words(
    """
    amount revenue sales quantity qty units unit cost profit total spend spent spending income earning
    earnings expense expenses expenditure turnover volume passengers passenger visitor visitors clicks
    impressions attendance bonus paid payment donations donation fee fees tax budget
    """
)
"""Words of measures that may be added up without asking."""

MONEY_WORDS = _words(
    """
    price cost amount revenue salary fee fare value tax paid total payment charge spend budget balance
    deposit refund income profit wage
    """
)
"""Words of columns that hold money."""

DIRECTIONS: dict[str, frozenset[str]] = {
    "from": frozenset(
        ("origin", "orig", "source", "src", "from", "start", "sender", "departure", "dep", "pickup")
    ),
    "to": frozenset(
        (
            "destination",
            "dest",
            "dst",
            "target",
            "to",
            "end",
            "receiver",
            "recipient",
            "arrival",
            "arr",
            "dropoff",
        )
    ),
}
"""What the prepositions from and to say about column names."""
