"""The closed-class words that questions about related things are made of. None belongs to any data set."""

from __future__ import annotations


def words(text: str) -> frozenset[str]:
    """The words of a list."""
    return frozenset(text.split())


def phrases(text: str) -> frozenset[tuple[str, ...]]:
    """The phrases of a list in which `|` parts them."""
    return frozenset(tuple(phrase.split()) for phrase in text.split("|"))


POLITE = phrases(
    "please|can you|could you|would you|kindly|i want to know|i want to see|i would like to know"
    "|i need|i want|tell me|let me know|what about|and|just|now|also|then|i would like|we need|we want"
    "|do you know|help me|find out|me|us|we would like to know|i'd like to know|i am interested in"
)
LIST = phrases(
    "list|show|display|give|return|get|find|print|tell|view|report|fetch|retrieve|provide|present"
    "|output|select|list out|list all|list up|look up|name|identify|what is|what are|what was"
    "|what were|what's|whats|which are|which is|list down|show all|enumerate|compute|calculate"
    "|determine|select all"
)
COUNT = phrases(
    "how many|number of|count|count of|total number of|the number of|the total number of"
    "|total count of|count the number of|counts of|the count of|count how many|total counts of"
    "|how many different|numbers of|overall number of|the amount of different"
)
ARTICLES = words(
    """
    the a an all any every some its their his her our of those these this that same given
    corresponding respective existing available particular certain individual full complete whole
    entire various both my your
    """
)
DIFFERENT = frozenset(("different", "distinct", "unique"))
EACH = phrases(
    "for each|in each|of each|from each|at each|on each|by each|for every|per|for each of|with each"
    "|to each|grouped by|group by|broken down by|break down by|split by|for each different"
    "|for every single|by every|in every|of every|for all the different|for any|through each"
    "|across each|within each|into each|under each|among each|to every|through every|at every|on every"
)
BY = phrases("by|per|grouped by|group by|broken down by|split by|for each|of each|in each|from each|at each")
FUNCTIONS: dict[str, str] = {
    "average": "avg", "avg": "avg", "mean": "avg", "averaged": "avg",
    "maximum": "max", "max": "max", "maximal": "max",
    "minimum": "min", "min": "min", "minimal": "min",
    "sum": "sum", "total": "sum", "combined": "sum", "overall": "sum",
    "median": "median",
}  # fmt: skip
HIGHEST: dict[str, bool] = {
    "highest": True, "greatest": True, "largest": True, "biggest": True, "most": True, "top": True,
    "best": True,
    "lowest": False, "smallest": False, "least": False, "fewest": False, "fewer": False, "maximum": True,
    "minimum": False, "max": True, "min": False,
}  # fmt: skip
COUNTED_EXTREMES = frozenset(("most", "least", "fewest"))
LATEST: dict[str, bool] = {
    "latest": True, "newest": True, "last": True, "earliest": False, "first": False, "oldest": False,
}  # fmt: skip
COMPARISONS: dict[tuple[str, ...], str] = {
    **dict.fromkeys(
        phrases(
            ">|above|after|better than|beyond|bigger than|exceed|exceeded|exceeding|exceeds|greater than"
            "|higher than|in excess of|larger than|more than|over|strictly more than"
        ),
        "gt",
    ),
    **dict.fromkeys(
        phrases(
            ">=|a minimum of|as many as|at least|greater than or equal to|minimum of|more than or equal to"
            "|no fewer than|no less than|no smaller than|not below|not fewer than|not less than|not under"
        ),
        "ge",
    ),
    **dict.fromkeys(
        phrases("<|before|below|fewer than|less than|lower than|smaller than|strictly less than|under"),
        "lt",
    ),
    **dict.fromkeys(
        phrases(
            "<=|a maximum of|at most|fewer than or equal to|less than or equal to|maximum of"
            "|no greater than|no later than|no more than|not above|not more than|not over|up to"
        ),
        "le",
    ),
    **dict.fromkeys(
        phrases("=|equal|equal to|equals|exactly|precisely"),
        "eq",
    ),
    **dict.fromkeys(
        phrases("!=|<>|different from|not equal to|not exactly|other than"),
        "ne",
    ),
}
AFTER_NUMBER: dict[tuple[str, ...], str] = {
    **dict.fromkeys(
        phrases(
            "and above|and older|and over|and up|or above|or greater|or higher|or later|or longer|or more"
            "|or older|or over"
        ),
        "ge",
    ),
    **dict.fromkeys(
        phrases(
            "and below|and under|and younger|or below|or earlier|or fewer|or less|or lower|or shorter"
            "|or under|or younger"
        ),
        "le",
    ),
}
NEGATIONS = frozenset(("not", "never", "n't", "cannot", "nor"))
WITHOUT = phrases(
    "without|without any|without a|with no|with none of|lacking|lacking any|that lack|who lack"
    "|having no|have no|has no|had no|with not any|that lack any|which lack"
)
WITHOUT_TAIL = frozenset(("any", "a", "an", "the", "single"))
EXCEPT = phrases(
    "except|except for|excluding|other than|besides|apart from|but not|not including|aside from"
    "|all but|except the|leaving out|not counting|minus|except those"
)
RELATIVE = frozenset(("who", "that", "which", "where", "whom", "when"))
WITH = phrases("with|having|has|have|had|containing|with at|including|contains|contain|carrying")
PREPOSITIONS = words(
    """
    in from of at on for by to into within among across through under during inside around near as
    via than about along onto out
    """
)
AUXILIARIES = words(
    """
    is are was were be been being do does did have has had can could may might would also ever
    currently actually already there they it he she we you must yet even still both either to
    together respectively there's them him so far
    """
)
FILLERS = words(
    """
    the a an of please me us there here do does did is are was were be been being in total overall
    altogether database dataset data we have has had record recorded exist exists existing stored
    listed they them it its their all then now also respectively as well ever so far yet you know
    that which on record records available along any one ones you currently registered
    """
)
"""Words that may stand anywhere between the parts of a question and add nothing there."""

PLACES = (
    "hometown",
    "location",
    "address",
    "city",
    "country",
    "place",
    "district",
    "region",
    "state",
    "town",
)
HOW_MUCH: dict[str, str] = {
    "old": "old", "long": "long", "tall": "tall", "heavy": "heavy", "high": "high", "expensive": "expensive",
    "big": "big", "large": "large", "fast": "fast", "deep": "deep", "wide": "wide", "far": "far",
}  # fmt: skip
MEASURING_VERBS: dict[str, str] = {
    "weigh": "heavy", "weighs": "heavy", "weighed": "heavy", "weighing": "heavy", "cost": "expensive",
    "costs": "expensive", "costing": "expensive", "last": "long", "lasts": "long", "lasted": "long",
    "lasting": "long",
}  # fmt: skip
CONTAINS: dict[tuple[str, ...], str] = {
    **dict.fromkeys(
        phrases(
            "contain|contained|containing|contains|has|have|include|includes|including|like|that has|with"
        ),
        "contains",
    ),
    **dict.fromkeys(
        phrases(
            "begin with|beginning with|begins with|start with|started with|starting with|starts with"
            "|that begins with|that start with|that starts with"
        ),
        "starts",
    ),
    **dict.fromkeys(
        phrases("end in|end with|ending in|ending with|ends in|ends with"),
        "ends",
    ),
}
TEXTS = words(
    """
    word substring string letter text phrase prefix suffix letters character characters keyword
    """
)
SORT = phrases(
    "sorted by|ordered by|order by|sort by|ranked by|rank by|in order of|order|sort|rank|arranged by"
    "|sorted|ordered|listed|arranged|ordered from|sorted from|ranked from|sort them by|order them by"
    "|and sort by|and order by|order the results by|sort the results by|order the result by|list them"
    "|sort them|order them|in the order of"
)
DESCENDING = phrases(
    "biggest first|busiest first|decreasing|desc|descending|descendingly|from best to worst"
    "|from biggest to smallest|from high to low|from highest to lowest|from largest to smallest"
    "|from longest to shortest|from most recent to least recent|from most recent to oldest"
    "|from most to least|from newest to oldest|from oldest to youngest"
    "|from the highest to the lowest|from the largest to the smallest|from the most to the least"
    "|highest first|highest to lowest|in decreasing order|in decreasing order of|in desc order"
    "|in descending|in descending order|in descending order of|in reverse alphabetical order"
    "|in reverse alphabetical order of|largest first|latest first|longest first|longest to shortest"
    "|most first|most popular first|most recent first|newest first|oldest first|oldest to youngest"
    "|reverse chronologically|starting from the top|starting with the highest|with the highest first"
    "|with the largest first"
)
ASCENDING = phrases(
    "alphabetical order of|alphabetically|asc|ascending|ascendingly|cheapest first|chronologically"
    "|earliest first|from a to z|from earliest to latest|from least to most|from low to high"
    "|from lowest to highest|from oldest to newest|from shortest to longest|from smallest to largest"
    "|from the lowest to the highest|from youngest to oldest|in alphabetic order"
    "|in alphabetical order|in alphabetical order of|in asc order|in ascending alphabetical order"
    "|in ascending lexicographical order|in ascending order|in ascending order of"
    "|in chronological order|in increasing order|in increasing order of|in lexicographical order"
    "|in the alphabetical order|increasing|lexicographically|lowest first|lowest to highest"
    "|shortest to longest|smallest first|youngest first|youngest to oldest"
)
DIRECTIONS: dict[tuple[str, ...], bool] = dict.fromkeys(DESCENDING, True) | dict.fromkeys(ASCENDING, False)
ALPHABETICAL = frozenset(("alphabetically", "alphabetical", "alphabetic", "lexicographical",
                          "lexicographically"))  # fmt: skip
SELLING = phrases("best selling|top selling|best performing|top performing|most successful")
"""What the first of something are called besides, where it is said by what they are ranked."""

JOIN_TALK = phrases(
    "based on joining|by joining|by doing a|by doing an|by using a|using a|by performing a|by a"
    "|based on a|by means of a"
)
IDIOMS = phrases(
    "of origin|of residence|so far|at all|up to now|of all time|in the database|in the dataset"
    "|as well|along with|on record|on file|in our database|in the data|there are|are there|do we have"
    "|we have|do you have|in the table|in our records|in the system|in our system"
    "|exist in the database|in all|match strings exactly|in absolute terms|if any|in this database"
    "|by name|to their name|to its name|in the collection|in our collection|do we own|we own|on our books"
)
"""Phrases that add nothing, wherever they stand."""
