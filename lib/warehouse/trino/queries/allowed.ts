/**
 * The names that a user's query may use on Trino 476. Everything else is refused. These are lists of allowed
 * names, not of forbidden ones: a function that a later Trino or a plugin adds is refused until someone
 * reviews it.
 */

const names = (text: string): ReadonlySet<string> => new Set(text.trim().split(/\s+/));

/**
 * Scalar functions, aggregates and window functions. Trino counts the memory of rows, not of the value that a
 * function makes. The list therefore omits functions that make a value of any size of a short text: `bar`,
 * `format`, `numeric_histogram`, `approx_most_frequent`, `transform`, `reduce` and their kind. One such call
 * ends Trino's process, and with it every commit that runs. Sketches and digests are omitted because tables
 * have no columns of these types.
 */
export const ALLOWED_FUNCTIONS = names(`
  abs acos all_match any_match array_distinct array_except array_histogram array_intersect array_join array_max
  array_min array_position array_remove array_sort array_union arrays_overlap asin at_timezone atan atan2 beta_cdf
  bit_count bitwise_and bitwise_left_shift bitwise_not bitwise_or bitwise_right_shift bitwise_right_shift_arithmetic
  bitwise_xor cardinality cbrt ceil ceiling chr coalesce codepoint concat concat_ws contains contains_sequence cos cosh
  cosine_distance cosine_similarity crc32 current_timezone date date_add date_diff date_format date_parse date_trunc
  day day_of_month day_of_week day_of_year degrees dot_product dow doy e element_at euclidean_distance exp filter
  floor format_datetime format_number from_base from_base32 from_base64 from_base64url from_big_endian_32
  from_big_endian_64 from_hex from_ieee754_32 from_ieee754_64 from_iso8601_date from_iso8601_timestamp
  from_iso8601_timestamp_nanos from_unixtime from_unixtime_nanos from_utf8 greatest hamming_distance hmac_md5 hmac_sha1
  hmac_sha256 hmac_sha512 hour human_readable_seconds if infinity inverse_beta_cdf inverse_normal_cdf is_finite
  is_infinite is_json_scalar is_nan json_array_contains json_array_get json_array_length json_extract
  json_extract_scalar json_format json_parse json_size last_day_of_month least length levenshtein_distance ln log
  log10 log2 lower lpad ltrim luhn_check map map_concat map_entries map_filter map_from_entries map_keys map_values md5
  millisecond minute mod month murmur3 nan none_match normal_cdf now nullif parse_data_size parse_datetime
  parse_duration parse_presto_data_size pi pow power quarter radians rand random regexp_count regexp_extract
  regexp_extract_all regexp_like regexp_position regexp_replace regexp_split repeat replace reverse round rpad rtrim
  second sequence sha1 sha256 sha512 shuffle sign sin sinh slice soundex split split_part split_to_map
  split_to_multimap spooky_hash_v2_32 spooky_hash_v2_64 sqrt starts_with strpos substr t_cdf t_pdf tan tanh timezone
  timezone_hour timezone_minute to_base to_base32 to_base64 to_base64url to_big_endian_32 to_big_endian_64 to_hex
  to_ieee754_32 to_ieee754_64 to_iso8601 to_milliseconds to_unixtime to_utf8 translate trim_array truncate try typeof
  upper url_decode url_encode url_extract_fragment url_extract_host url_extract_parameter url_extract_path
  url_extract_port url_extract_protocol url_extract_query uuid week week_of_year width_bucket wilson_interval_lower
  wilson_interval_upper with_timezone word_stem xxhash64 year year_of_week yow zip

  any_value approx_distinct approx_percentile arbitrary array_agg avg bitwise_and_agg bitwise_or_agg bitwise_xor_agg
  bool_and bool_or checksum corr count count_if covar_pop covar_samp every geometric_mean histogram kurtosis map_agg
  map_union max max_by min min_by multimap_agg regr_intercept regr_slope skewness stddev stddev_pop stddev_samp sum
  var_pop var_samp variance

  cume_dist dense_rank first_value lag last_value lead nth_value ntile percent_rank rank row_number
`);

/** Functions that may have a lambda: the result is not larger than the argument. */
export const LAMBDA_FUNCTIONS = names("all_match any_match array_sort filter map_filter none_match");

/** Table functions. `sequence` makes numbers, `exclude_columns` reads a relation that is checked itself. */
export const TABLE_FUNCTIONS = names("exclude_columns sequence");

/** The tables of `information_schema` that describe tables. The others describe users and roles. */
export const INFORMATION_TABLES = names("columns schemata tables views");
