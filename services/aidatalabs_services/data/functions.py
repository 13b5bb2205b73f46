"""The functions a query may call: pure ones over the rows it reads, by name; everything else is refused.

Left out on purpose: what reads a file, another table, a dictionary, a setting, the host or the session
(`file`, `joinGet`, `dictGet`, `getSetting`, `hostName`, `currentUser`), what waits or throws (`sleep`,
`throwIf`), set functions that take a table by name (`in`, `notIn`), what fills memory with made-up bytes
(`randomString`) or with a width that no limit of the engine counts (`printf`: gigabytes), what parses SQL,
and every function the engine gains later.
Names are compared without case; the engine itself still says when the case of a name is wrong.
"""

from __future__ import annotations

import difflib

_SCALAR = """
abs plus minus multiply divide intDiv intDivOrZero modulo moduloOrZero mod positiveModulo negate gcd lcm
max2 min2 divideDecimal multiplyDecimal divideOrNull intDivOrNull moduloOrNull midpoint isFinite
isInfinite isNaN ifNotFinite equals notEquals less lessOrEquals greater greaterOrEquals isDistinctFrom
isNotDistinctFrom and or not xor if multiIf least greatest clamp coalesce ifNull nullIf isNull isNotNull
isZeroOrNull assumeNotNull toNullable firstNonDefault identity materialize ignore toTypeName
toColumnTypeName bar transform byteSize acos acosh asin asinh atan atan2 atanh cbrt cos cosh degrees e
erf erfc exp exp10 exp2 factorial hypot lgamma ln log log10 log1p log2 pi pow power radians sigmoid sign
sin sinh sqrt tan tanh tgamma widthBucket width_bucket sqr isPrime intExp2 intExp10 ceil ceiling floor
round roundBankers roundDown roundToExp2 roundAge roundDuration trunc truncate bitAnd bitCount
bitHammingDistance bitNot bitOr bitShiftLeft bitShiftRight bitTest bitXor bitSlice bitRotateLeft
bitRotateRight bitTestAll bitTestAny countDigits array arrayAUC arrayAll arrayAvg arrayCompact
arrayConcat arrayCount arrayCumSum arrayCumSumNonNegative arrayDifference arrayDistinct arrayDotProduct
arrayElement arrayElementOrNull arrayEnumerate arrayEnumerateDense arrayEnumerateUniq arrayExcept
arrayExists arrayFill arrayFilter arrayFirst arrayFirstIndex arrayFirstOrNull arrayFlatten arrayFold
arrayIntersect arrayJaccardIndex arrayJoin arrayLast arrayLastIndex arrayLastOrNull arrayMap arrayMax
arrayMin arrayPartialReverseSort arrayPartialSort arrayPopBack arrayPopFront arrayProduct arrayPushBack
arrayPushFront arrayReduce arrayRemove arrayResize arrayReverse arrayReverseFill arrayReverseSort
arrayReverseSplit arrayRotateLeft arrayRotateRight arrayShiftLeft arrayShiftRight arrayShingles
arraySimilarity arraySlice arraySort arraySplit arrayStringConcat arraySum arraySymmetricDifference
arrayUnion arrayUniq arrayZip arrayZipUnaligned countEqual empty notEmpty emptyArrayString
emptyArrayUInt64 emptyArrayInt64 emptyArrayFloat64 flatten has hasAll hasAny hasSubstr indexOf length
range reverse replicate arrayWithConstant tuple tupleElement untuple tupleConcat tuplePlus tupleMinus
tupleMultiply tupleDivide dotProduct scalarProduct tupleNames tupleToNameValuePairs tupleHammingDistance
flattenTuple L1Norm L2Norm L2SquaredNorm LinfNorm L1Distance L2Distance L2SquaredDistance LinfDistance
cosineDistance map mapAdd mapSubtract mapContains mapContainsKey mapContainsKeyLike mapContainsValue
mapExtractKeyLike mapKeys mapValues mapFilter mapApply mapUpdate mapConcat mapExists mapAll mapSort
mapReverseSort mapFromArrays mapPopulateSeries now now64 today yesterday current_date curdate
current_timestamp localtimestamp timeZone timeZoneOf timeZoneOffset addDate addDays addHours addInterval
addMicroseconds addMilliseconds addMinutes addMonths addNanoseconds addQuarters addSeconds addWeeks
addYears subDate subtractDays subtractHours subtractInterval subtractMicroseconds subtractMilliseconds
subtractMinutes subtractMonths subtractNanoseconds subtractQuarters subtractSeconds subtractWeeks
subtractYears age changeDay changeHour changeMinute changeMonth changeSecond changeYear dateDiff
date_diff timestampDiff timestamp_diff dateAdd date_add dateSub date_sub timestampAdd timestamp_add
timestampSub timestamp_sub dateName dateTrunc date_trunc date_bin time_bucket formatDateTime date_format
formatDateTimeInJodaSyntax fromUnixTimestamp from_unixtime fromUnixTimestamp64Micro
fromUnixTimestamp64Milli fromUnixTimestamp64Nano fromUnixTimestamp64Second fromUTCTimestamp
toUTCTimestamp makeDate makeDate32 makeDateTime makeDateTime64 monthName timeDiff timeSlot timeSlots
timestamp toDayOfMonth toDayOfWeek toDayOfYear toDaysInMonth toDaysSinceYearZero toHour toISOWeek
toISOYear toLastDayOfMonth toLastDayOfWeek last_day toMicrosecond toMillisecond toMinute toMonday
toMonth toMonthNumSinceEpoch toYearNumSinceEpoch toNanosecond toQuarter toRelativeDayNum
toRelativeHourNum toRelativeMinuteNum toRelativeMonthNum toRelativeQuarterNum toRelativeSecondNum
toRelativeWeekNum toRelativeYearNum toSecond toStartOfDay toStartOfFifteenMinutes toStartOfFiveMinutes
toStartOfFiveMinute toStartOfHour toStartOfISOYear toStartOfInterval toStartOfMicrosecond
toStartOfMillisecond toStartOfMinute toStartOfMonth toStartOfNanosecond toStartOfQuarter toStartOfSecond
toStartOfTenMinutes toStartOfWeek toStartOfYear toTime toTimeWithFixedDate toTimezone toUnixTimestamp
toUnixTimestamp64Micro toUnixTimestamp64Milli toUnixTimestamp64Nano toUnixTimestamp64Second toWeek week
toYYYYMM toYYYYMMDD toYYYYMMDDhhmmss YYYYMMDDToDate YYYYMMDDhhmmssToDateTime toYear toYearWeek yearweek
year quarter month day dayOfMonth dayOfWeek dayOfYear hour minute second millisecond microsecond date
tumbleStart tumbleEnd toInterval toIntervalSecond toIntervalMinute toIntervalHour toIntervalDay
toIntervalWeek toIntervalMonth toIntervalQuarter toIntervalYear toIntervalMillisecond
toIntervalMicrosecond toIntervalNanosecond parseDateTime parseDateTimeOrNull parseDateTimeOrZero
parseDateTime64 parseDateTimeBestEffort parseDateTimeBestEffortOrNull parseDateTimeBestEffortOrZero
parseDateTimeBestEffortUS parseDateTime64BestEffort parseDateTime64BestEffortOrNull
parseDateTime64BestEffortOrZero parseDateTime32BestEffort parseDateTimeInJodaSyntax str_to_date
appendTrailingCharIfAbsent ascii base32Decode base32Encode base58Decode base58Encode base64Decode
base64Encode base64URLDecode base64URLEncode tryBase64Decode basename char concat concatAssumeInjective
concatWithSeparator concat_ws conv convertCharset damerauLevenshteinDistance editDistance
editDistanceUTF8 levenshteinDistance levenshteinDistanceUTF8 jaroSimilarity jaroWinklerSimilarity
stringJaccardIndex soundex startsWith startsWithUTF8 startsWithCaseInsensitive endsWith endsWithUTF8
endsWithCaseInsensitive initcap initcapUTF8 left leftUTF8 right rightUTF8 leftPad leftPadUTF8 rightPad
rightPadUTF8 lpad rpad lengthUTF8 char_length character_length octet_length lower lcase lowerUTF8 upper
ucase upperUTF8 normalizeUTF8NFC normalizeUTF8NFD normalizeUTF8NFKC normalizeUTF8NFKD repeat reverseUTF8
space substring substr mid substringUTF8 substringIndex substring_index substringIndexUTF8 byteSlice
toValidUTF8 isValidUTF8 isValidASCII trim trimBoth trimLeft trimRight ltrim rtrim firstLine hex unhex
bin unbin decodeHTMLComponent decodeXMLComponent encodeXMLComponent extractTextFromHTML naturalSortKey
format overlay overlayUTF8 regexpQuoteMeta replace replaceAll replaceOne replaceRegexpAll
replaceRegexpOne regexp_replace translate translateUTF8 alphaTokens extractAllGroupsVertical
extractAllGroupsHorizontal extractGroups extractAllGroups ngrams splitByChar splitByNonAlpha
splitByRegexp splitByString splitByWhitespace tokens countMatches countMatchesCaseInsensitive
countSubstrings countSubstringsCaseInsensitive extract extractAll regexpExtract regexp_extract
regexp_substr regexp_instr hasSubsequence hasSubsequenceCaseInsensitive hasToken hasTokenCaseInsensitive
hasTokenOrNull hasAllTokens hasAnyTokens ilike like notLike notILike locate instr match position
positionCaseInsensitive positionUTF8 positionCaseInsensitiveUTF8 multiMatchAny multiMatchAnyIndex
multiMatchAllIndices multiSearchAny multiSearchAnyCaseInsensitive multiSearchFirstIndex
multiSearchFirstPosition multiSearchAllPositions ngramDistance ngramDistanceCaseInsensitive ngramSearch
ngramSearchCaseInsensitive extractKeyValuePairs formatReadableDecimalSize formatReadableQuantity
formatReadableSize formatReadableTimeDelta parseReadableSize parseReadableSizeOrNull parseTimeDelta
cityHash64 farmHash64 farmFingerprint64 halfMD5 intHash32 intHash64 javaHash jumpConsistentHash
metroHash64 murmurHash2_32 murmurHash2_64 murmurHash3_32 murmurHash3_64 murmurHash3_128 sipHash64
sipHash128 URLHash wyHash64 xxHash32 xxHash64 xxh3 CRC32 CRC64 MD5 SHA1 SHA224 SHA256 SHA512
ngramSimHash wordShingleSimHash rand rand32 rand64 randCanonical randUniform randNormal randBernoulli
generateUUIDv4 generateUUIDv7 JSONAllPaths JSONAllPathsWithTypes JSONDynamicPaths
JSONDynamicPathsWithTypes JSONSharedDataPaths JSONArrayLength json_array_length JSONExtract
JSONExtractArrayRaw JSONExtractBool JSONExtractFloat JSONExtractInt JSONExtractKeys
JSONExtractKeysAndValues JSONExtractKeysAndValuesRaw JSONExtractRaw JSONExtractString JSONExtractUInt
JSONHas JSONKey JSONLength JSONType JSON_EXISTS JSON_QUERY JSON_VALUE isValidJSON toJSONString
dynamicElement dynamicType simpleJSONExtractBool simpleJSONExtractFloat simpleJSONExtractInt
simpleJSONExtractRaw simpleJSONExtractString simpleJSONExtractUInt simpleJSONHas visitParamExtractBool
visitParamExtractFloat visitParamExtractInt visitParamExtractRaw visitParamExtractString
visitParamExtractUInt visitParamHas variantElement variantType accurateCast accurateCastOrDefault
accurateCastOrNull toBool toDate toDate32 toDateTime toDateTime32 toDateTime64 toFloat32 toFloat64
toInt8 toInt16 toInt32 toInt64 toInt128 toInt256 toUInt8 toUInt16 toUInt32 toUInt64 toUInt128 toUInt256
toDecimal32 toDecimal64 toDecimal128 toDecimal256 toDecimalString toFixedString toLowCardinality
toString toStringCutToZero toUUID toUUIDOrNull toUUIDOrZero toIPv4 toIPv4OrNull toIPv6 toIPv6OrNull
IPv4NumToString IPv4StringToNum IPv4StringToNumOrNull IPv6NumToString IPv6StringToNum IPv4ToIPv6
IPv4CIDRToRange IPv6CIDRToRange isIPAddressInRange isIPv4String isIPv6String UUIDStringToNum
UUIDNumToString UUIDv7ToDateTime snowflakeIDToDateTime snowflakeIDToDateTime64 URLHierarchy
URLPathHierarchy cutFragment cutQueryString cutQueryStringAndFragment cutToFirstSignificantSubdomain
cutURLParameter cutWWW decodeURLComponent decodeURLFormComponent domain domainWithoutWWW
encodeURLComponent encodeURLFormComponent extractURLParameter extractURLParameterNames
extractURLParameters firstSignificantSubdomain fragment netloc path pathFull port protocol queryString
queryStringAndFragment topLevelDomain geoDistance greatCircleAngle greatCircleDistance geohashEncode
geohashDecode geoToH3 h3ToGeo h3ToParent h3ToString h3Distance h3GetResolution h3IsValid stringToH3
pointInPolygon pointInEllipses bitmapAnd bitmapAndCardinality bitmapAndnot bitmapAndnotCardinality
bitmapBuild bitmapCardinality bitmapContains bitmapHasAll bitmapHasAny bitmapMax bitmapMin bitmapOr
bitmapOrCardinality bitmapSubsetInRange bitmapSubsetLimit bitmapToArray bitmapXor bitmapXorCardinality
finalizeAggregation seriesDecomposeSTL seriesOutliersDetectTukey financialInternalRateOfReturn
financialNetPresentValue financialInternalRateOfReturnExtended financialNetPresentValueExtended
minSampleSizeContinuous minSampleSizeConversion proportionsZTest grouping
"""

_AGGREGATE = """
count min max sum avg any any_value anyHeavy anyLast first_value last_value argMin argMax min_by max_by
argAndMin argAndMax avgWeighted median medianExact medianTDigest medianTiming medianDeterministic
medianExactLow medianExactHigh medianExactWeighted medianBFloat16 stddevPop stddevSamp stddevPopStable
stddevSampStable std stddev stddev_pop stddev_samp varPop varSamp varPopStable varSampStable var_pop
var_samp covarPop covarSamp covarPopStable covarSampStable covar_pop covar_samp corr corrStable
corrMatrix skewPop skewSamp kurtPop kurtSamp entropy gini sumWithOverflow sumKahan sumCount sumMap
minMap maxMap sumMappedArrays minMappedArrays maxMappedArrays sumMapFiltered boundingRatio deltaSum
deltaSumTimestamp exponentialMovingAverage exponentialTimeDecayedAvg exponentialTimeDecayedCount
exponentialTimeDecayedMax exponentialTimeDecayedSum groupArray array_agg groupArrayLast
groupArrayInsertAt groupArrayIntersect groupArrayMovingAvg groupArrayMovingSum groupArraySample
groupArraySorted groupUniqArray groupConcat group_concat string_agg groupBitAnd groupBitOr groupBitXor
bit_and bit_or bit_xor groupBitmap groupBitmapAnd groupBitmapOr groupBitmapXor histogram
intervalLengthSum maxIntersections maxIntersectionsPosition kolmogorovSmirnovTest mannWhitneyUTest
meanZTest studentTTest studentTTestOneSample welchTTest analysisOfVariance anova rankCorr cramersV
cramersVBiasCorrected theilsU contingency categoricalInformationValue simpleLinearRegression
singleValueOrNull sparkbar largestTriangleThreeBuckets lttb topK topKWeighted approx_top_count
approx_top_k approx_top_sum uniq uniqExact uniqCombined uniqCombined64 uniqHLL12 uniqUpTo retention
sequenceCount sequenceMatch sequenceMatchEvents sequenceNextNode windowFunnel distinctJSONPaths
distinctJSONPathsAndTypes distinctDynamicTypes regr_avgx regr_avgy regr_count regr_intercept regr_r2
regr_slope regr_sxx regr_sxy regr_syy row_number rank dense_rank denseRank percent_rank percentRank
cume_dist ntile nth_value lag lead lagInFrame leadInFrame nonNegativeDerivative
"""

_QUANTILE_KINDS = """
BFloat16 BFloat16Weighted DD Deterministic Exact ExactExclusive ExactHigh ExactInclusive ExactLow
ExactWeighted ExactWeightedInterpolated GK InterpolatedWeighted TDigest TDigestWeighted Timing
TimingWeighted
"""

# The suffixes ClickHouse lets an aggregate carry, in any sensible chain: sumIf, uniqExactArrayIf, sumMerge.
_COMBINATORS = (
    "SimpleState", "MergeState", "OrDefault", "OrNull", "Distinct", "Resample", "ForEach", "ArgMin", "ArgMax",
    "State", "Merge", "Array", "Map", "If",
)  # fmt: skip
_COMBINATORS_AT_MOST = 4

_NUMBERS = ("Int8", "Int16", "Int32", "Int64", "Int128", "Int256")
_CONVERTED = (
    *_NUMBERS, *(f"U{name}" for name in _NUMBERS), "Float32", "Float64", "Date", "Date32", "DateTime",
    "DateTime64", "Decimal32", "Decimal64", "Decimal128", "Decimal256",
)  # fmt: skip

_AGGREGATES: dict[str, str] = {
    name.casefold(): name
    for name in (
        *_AGGREGATE.split(),
        "quantile",
        "quantiles",
        *(f"{head}{kind}" for head in ("quantile", "quantiles") for kind in _QUANTILE_KINDS.split()),
    )
}
_SCALARS: dict[str, str] = {
    name.casefold(): name
    for name in (
        *_SCALAR.split(),
        *(f"to{name}Or{end}" for name in _CONVERTED for end in ("Null", "Zero", "Default")),
    )
}
# Functions whose first (arrayReduce) or last argument is a name the engine looks up; it must be a literal.
NAMES_AN_AGGREGATE = frozenset({"arrayreduce"})
NAMES_A_TYPE = frozenset({"accuratecast", "accuratecastordefault", "accuratecastornull"})
# Bare words that ClickHouse runs as functions although no brackets follow; they tell about the session.
_BARE = """currentdatabase current_database database schema currenthandler currentuser current_user user
session_user currentrequesturl currentqueryid current_query_id localtime"""
BARE_CALLS = frozenset(_BARE.split())

# Functions whose value is another one later; a date without its year is read as one of this year.
TIME_FUNCTIONS = frozenset(
    name.casefold()
    for name in [
        "now",
        "now64",
        "today",
        "yesterday",
        "current_date",
        "curdate",
        "current_timestamp",
        "localtimestamp",
        "parseDateTimeBestEffort",
        "parseDateTimeBestEffortOrNull",
        "parseDateTimeBestEffortOrZero",
        "parseDateTimeBestEffortUS",
        "parseDateTime64BestEffort",
        "parseDateTime64BestEffortOrNull",
        "parseDateTime64BestEffortOrZero",
        "parseDateTime32BestEffort",
    ]
)
# Functions whose value is another one each time.
CHANCE_FUNCTIONS = frozenset(
    name.casefold()
    for name in [
        "rand",
        "rand32",
        "rand64",
        "randCanonical",
        "randUniform",
        "randNormal",
        "randBernoulli",
        "generateUUIDv4",
        "generateUUIDv7",
    ]
)


def is_aggregate(name: str) -> bool:
    """Whether `name` is an allowed aggregate or window function, combinators included."""
    rest = name
    for _ in range(_COMBINATORS_AT_MOST + 1):
        if rest.casefold() in _AGGREGATES:
            return True
        ending = next((c for c in _COMBINATORS if rest.casefold().endswith(c.casefold())), None)
        if ending is None or len(ending) == len(rest):
            return False
        rest = rest[: -len(ending)]
    return False


def is_allowed(name: str) -> bool:
    """Whether a query may call `name`."""
    return name.casefold() in _SCALARS or is_aggregate(name)


def nearest(name: str) -> str | None:
    """The allowed function that looks most like `name`, as ClickHouse writes it; None when none does."""
    folded = name.casefold()
    found = difflib.get_close_matches(folded, [*_SCALARS, *_AGGREGATES], n=1, cutoff=0.85)
    return (_SCALARS.get(found[0]) or _AGGREGATES.get(found[0])) if found else None


def scalar_names() -> frozenset[str]:
    """The allowed plain functions as ClickHouse writes them; tests compare them with the engine's list."""
    return frozenset(_SCALARS.values())


def aggregate_names() -> frozenset[str]:
    """The allowed aggregate and window functions without combinators, as ClickHouse writes them."""
    return frozenset(_AGGREGATES.values())
