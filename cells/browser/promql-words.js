// The words of PromQL, with how they are written and what they are for: after Prometheus's own documentation of querying.

const list = (text) => new Map(text.trim().split("\n").map((line) => {
  const [, name, signature, help] = line.match(/^([\w]+)(\([^—]*\)) — (.*)$/);
  return [name, { signature: name + signature, help }];
}));

export const AGGREGATIONS = list(`
sum(vector) — The sum over series; by (…) keeps labels apart.
avg(vector) — The mean over series.
min(vector) — The least over series.
max(vector) — The largest over series.
count(vector) — How many series there are.
group(vector) — 1 for each group: which labels there are.
stddev(vector) — Standard deviation over series.
stdvar(vector) — Variance over series.
topk(k, vector) — The k largest series at each moment, labels kept.
bottomk(k, vector) — The k smallest series at each moment, labels kept.
quantile(φ, vector) — The φ-quantile (0 to 1) over series.
count_values("label", vector) — How many series have each value.
limitk(k, vector) — Any k series.
limit_ratio(r, vector) — A share r of the series.
`);

export const FUNCTIONS = list(`
abs(vector) — Without the sign.
absent(vector) — 1 when there is no such series: for alerts.
absent_over_time(range) — 1 when there was no such series in that time.
avg_over_time(range) — The mean over time, of each series.
ceil(vector) — Rounded up.
changes(range) — How often the value changed.
clamp(vector, min, max) — Kept within bounds.
clamp_max(vector, max) — At most max.
clamp_min(vector, min) — At least min.
count_over_time(range) — How many samples in that time.
day_of_month(vector) — 1 to 31, in UTC.
day_of_week(vector) — 0 (Sunday) to 6, in UTC.
day_of_year(vector) — 1 to 366, in UTC.
days_in_month(vector) — 28 to 31.
delta(range) — The last less the first value, of a gauge.
deriv(range) — The slope a second of a gauge, by linear regression: does a queue grow?
exp(vector) — e to that power.
floor(vector) — Rounded down.
histogram_avg(vector) — The mean of native histograms.
histogram_count(vector) — How many observations a native histogram has.
histogram_fraction(lower, upper, vector) — The share of observations between two values.
histogram_quantile(φ, vector) — The φ-quantile of a histogram's buckets; keep le: sum by (le) (rate(x_bucket[5m])).
histogram_sum(vector) — The sum of a native histogram's observations.
hour(vector) — 0 to 23, in UTC.
idelta(range) — The difference of the last two samples.
increase(range) — How much a counter grew in that time; resets are told.
irate(range) — The rate a second of a counter's last two samples.
label_join(vector, "new", "separator", "label", …) — A new label of others' values.
label_replace(vector, "new", "$1", "label", "regex") — A new label, cut out of another.
last_over_time(range) — The last value in that time.
ln(vector) — The natural logarithm.
log10(vector) — The logarithm to 10.
log2(vector) — The logarithm to 2.
mad_over_time(range) — The median deviation from the median.
max_over_time(range) — The largest over time, of each series.
min_over_time(range) — The least over time, of each series.
minute(vector) — 0 to 59, in UTC.
month(vector) — 1 to 12, in UTC.
pi() — 3.14159…
predict_linear(range, seconds) — What a gauge will be by then, if it goes on: is the disk full tomorrow?
present_over_time(range) — 1 for each series that was there.
quantile_over_time(φ, range) — The φ-quantile over time, of each series.
rate(range) — The growth a second of a counter. Take rate first, then sum: rate tells resets.
resets(range) — How often a counter began anew: restarts.
round(vector, to) — Rounded.
scalar(vector) — The value of the one series there is, as a number.
sgn(vector) — −1, 0 or 1.
sort(vector) — From the least; of one moment.
sort_desc(vector) — From the largest; of one moment.
sqrt(vector) — The square root.
stddev_over_time(range) — Standard deviation over time.
stdvar_over_time(range) — Variance over time.
sum_over_time(range) — The sum of all samples in that time.
time() — The moment of each point, in seconds since 1970.
timestamp(vector) — When each sample was taken, in seconds since 1970.
vector(number) — A number as a series without labels.
year(vector) — The year, in UTC.
`);

export const WORDS = new Set(["and", "or", "unless", "by", "without", "on", "ignoring", "group_left", "group_right", "bool", "offset", "start", "end", "atan2", "inf", "nan"]);
