"""Verbs that relate things, words for people, and all words that are spelt as they are meant."""

from __future__ import annotations

from .lexis import (
    AFTER_NUMBER,
    ARTICLES,
    AUXILIARIES,
    COMPARISONS,
    CONTAINS,
    COUNT,
    DIRECTIONS,
    EACH,
    EXCEPT,
    FILLERS,
    FUNCTIONS,
    HIGHEST,
    LATEST,
    LIST,
    NEGATIONS,
    POLITE,
    PREPOSITIONS,
    RELATIVE,
    SORT,
    WITHOUT,
    words,
)

VERBS = words(
    """
    have has had having own owns owned owning hold holds held holding possess possesses make makes
    made making take takes took taken taking teach teaches taught teaching learn learns learned
    perform performs performed performing play plays played playing work works worked working live
    lives lived living reside resides resided attend attends attended attending visit visits visited
    visiting buy buys bought buying purchase purchases purchased purchasing order orders ordered
    ordering write writes wrote written writing direct directs directed directing produce produces
    produced producing host hosts hosted hosting participate participates participated participating
    join joins joined joining belong belongs belonged enroll enrolls enrolled enrolling enrolls
    study studies studied studying treat treats treated treating use uses used using run runs ran
    running serve serves served serving sell sells sold selling offer offers offered offering
    contain contains contained containing include includes included including come comes came coming
    go goes went gone going appear appears appeared appearing act acts acted acting star stars
    starred starring win wins won winning receive receives received receiving get gets got getting
    give gives gave given giving earn earns earned earning pay pays paid paying handle handles
    handled handling manage manages managed managing lead leads led leading drive drives drove
    driven driving fly flies flew flown flying depart departs departed departing arrive arrives
    arrived arriving locate locates located locating situate situated base based book books booked
    booking rent rents rented renting borrow borrows borrowed borrowing read reads publish publishes
    published publishing release releases released releasing recorded recording sing sings sang sung
    singing speak speaks spoke spoken speaking spoken compete competes competed competing represent
    represents represented representing coach coaches coached coaching assign assigns assigned
    assigning complete completes completed completing place places placed placing happen happens
    happened occur occurs occurred appear associate associated relate related connect connected link
    linked do does did done doing cover covers covered covering operate operates operated operating
    supply supplies supplied supplying provide provides provided create creates created creating
    design designs designed designing build builds built building employ employs employed employing
    hire hires hired hiring feature features featured featuring showed shown air airs aired airing
    broadcast broadcasts exhibit exhibited display displayed generate generates generated need needs
    needed require requires required requiring carry carries carried carrying follow follows
    followed review reviews reviewed rated bring brings brought call called name named born
    supervise supervises supervised supervising advise advises advised advising exist exists existed
    bear log logs logged view views viewed viewing sign signed apply applies applied deliver
    delivers delivered process processed submit submits submitted stay stays stayed start starts
    started become became train trains trained care cares cared perform enter enters entered file
    files filed undergo underwent prescribe prescribes prescribed transact transacted raise raised
    raise grow grows grew flow flows flowed flowing traverse lie lies lay share shares shared
    sharing consist consists comprise see seen saw cast give inhabit inhabited stock stocks stocked
    organize organizes organized organizing organise organised make schedule schedules scheduled
    scored scoring perform conduct conducts conducted conducting spend spends spent spending lend
    lends lent maintain maintains maintained maintaining ship ships shipped
    """
)
"""Verbs by which one thing has to do with another; those that end or undo it are not among them."""

ANYBODY = frozenset(("person", "people", "user", "visitor", "customer", "client", "member", "individual"))
"""Words for whoever did something, where only keys tell them apart."""

NOTHING_WORDS = frozenset(
    ("something", "anything", "item", "items", "yet", "it", "one", "ever", "also", "again")
)
"""What stands for whatever it was that somebody did something to."""

PERSONS = words(
    """
    person people member customer client employee worker staff student pupil learner teacher instructor
    professor user patient doctor physician nurse driver pilot artist player author writer
    actor director owner guest visitor tenant agent manager salesperson seller buyer passenger
    candidate voter judge coach athlete engineer technician volunteer donor borrower reader
    subscriber host individual researcher scientist
    """
)

CLOSED = frozenset(
    word
    for group in (
        COUNT,
        EACH,
        WITHOUT,
        EXCEPT,
        SORT,
        LIST,
        POLITE,
        COMPARISONS,
        DIRECTIONS,
        CONTAINS,
        AFTER_NUMBER,
    )
    for phrase in group
    for word in phrase
) | frozenset(
    (
        *AUXILIARIES,
        *PREPOSITIONS,
        *NEGATIONS,
        *RELATIVE,
        *VERBS,
        *FILLERS,
        *ARTICLES,
        *FUNCTIONS,
        *HIGHEST,
        *LATEST,
    )
)
"""Words that are spelt as they are meant: none of them is a misspelt name."""
