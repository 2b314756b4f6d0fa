// The table of job-file keys.
#include "operator/config/keys.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define KIB ((int64_t)1024)
#define MIB (KIB * 1024)
#define GIB (MIB * 1024)
#define TIB (GIB * 1024)
#define US ((int64_t)1000)
#define MS (US * 1000)
#define SECOND (MS * 1000)
#define HOUR (SECOND * 3600)
#define DAY (HOUR * 24)

#define MEMBER(type, member) .offset = offsetof(type, member), .size = sizeof(((type *)0)->member)
#define JOB(member) MEMBER(rwd_job, member)
#define FIELD(member) MEMBER(rwd_field, member)
#define SINK(member) MEMBER(rwd_job_sink, member)
#define INVARIANT(member) MEMBER(rwd_job_invariant, member)
#define TABLE(member) MEMBER(rwd_job_table, member)
#define WORDS(list) .words = list, .word_count = sizeof list / sizeof *list

#define FORMAT_WORD(id, name, doc) name,
static const char *const format_words[] = {RWD_FORMAT_TABLE(FORMAT_WORD)};
_Static_assert(RWD_FORMAT_PLUGIN == RWD_FORMAT_COUNT - 1, "the formats of outputs are those before it");
#define RAW_WORD(id, name, doc) name,
static const char *const raw_words[] = {RWD_RAW_TABLE(RAW_WORD)};
static const char *const framing_words[] = {[RWD_PROTO_BARE] = "none", [RWD_PROTO_CONFLUENT] = "confluent"};
static const char *const emit_words[] = {[RWD_EMIT_COMMIT] = "commit", [RWD_EMIT_UPDATE] = "update", [RWD_EMIT_CLOSE] = "close"};
static const char *const violation_words[] = {[RWD_ON_VIOLATION_ALERT] = "alert", [RWD_ON_VIOLATION_PARK] = "park"};
static const char *const duplicates_words[] = {[RWD_DUPLICATES_DROP] = "drop", [RWD_DUPLICATES_DEAD_LETTER] = "dead-letter"};
static const char *const missing_words[] = {[RWD_MISSING_DEAD_LETTER] = "dead-letter", [RWD_MISSING_DROP] = "drop"};
static const char *const late_words[] = {[RWD_LATE_DEAD_LETTER] = "dead-letter", [RWD_LATE_DROP] = "drop"};
static const char *const partitioner_words[] = {[RWD_PARTITIONER_MURMUR2] = "murmur2", [RWD_PARTITIONER_SAME] = "same"};
static const char *const start_words[] = {[RWD_START_EARLIEST] = "earliest", [RWD_START_LATEST] = "latest"};
static const char *const tombstone_words[] = {[RWD_TOMBSTONE_IGNORE] = "ignore", [RWD_TOMBSTONE_DELETE] = "delete",
                                              [RWD_TOMBSTONE_DEAD_LETTER] = "dead-letter"};
static const char *const io_words[] = {
    [RWD_IO_WANTED_AUTO] = "auto", [RWD_IO_WANTED_PREAD] = "pread", [RWD_IO_WANTED_URING] = "uring", [RWD_IO_WANTED_URING_REGISTERED] = "uring-registered"};
static const char *const delivery_words[] = {[RWD_DELIVERY_EXACTLY_ONCE] = "exactly-once", [RWD_DELIVERY_AT_LEAST_ONCE] = "at-least-once"};
static const char *const journal_words[] = {[RWD_JOURNAL_ON] = "on", [RWD_JOURNAL_OFF] = "off"};
static const char *const codec_words[] = {"none", "lz4", "zstd"};  // in the order of rwd_journal_codec
static const char *const full_words[] = {[RWD_ON_FULL_STOP] = "stop", [RWD_ON_FULL_CONTINUE] = "continue"};
static const char *const on_change_words[] = {[RWD_ON_CHANGE_REFUSE] = "refuse", [RWD_ON_CHANGE_FROM_NOW] = "from-now", [RWD_ON_CHANGE_REPLAY] = "replay"};
static const char *const on_stop_words[] = {[RWD_ON_STOP_EXIT] = "exit", [RWD_ON_STOP_PARK] = "park"};

// ---- keys that have a meaning only beside others

static bool source_is_file(const rwd_job *job, const void *base) {
    (void)base;
    return !job->source.topic;
}

static bool source_is_kafka(const rwd_job *job, const void *base) { return !source_is_file(job, base); }

static bool starts_at_offset(const rwd_job *job, const void *base) {
    return source_is_kafka(job, base) && job->source.start.offset >= 0;
}

static bool starts_at_time(const rwd_job *job, const void *base) {
    return source_is_kafka(job, base) && job->source.start.time_us != RWD_TIME_NONE;
}

static bool starts_at_word(const rwd_job *job, const void *base) {
    return source_is_kafka(job, base) && !starts_at_offset(job, base) && !starts_at_time(job, base);
}

static bool uses_kafka(const rwd_job *job, const void *base) {
    (void)base;
    return job->kafka.brokers != NULL;
}

static bool commits_to_kafka(const rwd_job *job, const void *base) {
    (void)base;
    return rwd_job_commits_to_kafka(job);
}

static bool source_is_csv(const rwd_job *job, const void *base) {
    (void)base;
    return job->source.format == RWD_FORMAT_CSV;
}

static bool source_is_protobuf(const rwd_job *job, const void *base) {
    (void)base;
    return job->source.format == RWD_FORMAT_PROTOBUF;
}

static bool source_is_raw(const rwd_job *job, const void *base) {
    (void)base;
    return job->source.format == RWD_FORMAT_RAW;
}

static bool source_is_plugin(const rwd_job *job, const void *base) {
    (void)base;
    return job->source.format == RWD_FORMAT_PLUGIN;
}

static bool has_retries(const rwd_job *job, const void *base) { return source_is_plugin(job, base) || job->source.topic != NULL; }

static bool has_plugins(const rwd_job *job, const void *base) {
    (void)base;
    return job->plugins.file_count > 0;
}

static bool sink_is_topic(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_job_sink *)base)->topic != NULL;
}

static bool sink_is_raw(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_job_sink *)base)->format == RWD_FORMAT_RAW;
}

static bool source_has_elements(const rwd_job *job, const void *base) {
    (void)base;
    return job->source.format == RWD_FORMAT_JSON || job->source.format == RWD_FORMAT_PROTOBUF;
}

static bool field_is_optional(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_field *)base)->optional;
}

static bool fields_have_paths(const rwd_job *job, const void *base) {
    (void)base;
    return job->source.format != RWD_FORMAT_CSV || job->source.csv_header;
}

static bool field_is_time(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_field *)base)->type == RWD_TYPE_TIME;
}

static bool field_lacks_zone(const rwd_job *job, const void *base) {
    (void)job;
    return field_is_time(job, base) && rwd_time_lacks_zone(&((const rwd_field *)base)->time);
}

static bool table_has_windows(const rwd_job *job, const void *base) {
    (void)job;
    const rwd_job_table *table = base;
    return table->window.tumbling_us > 0 || table->window.hopping_us > 0 || table->window.session_us > 0;
}

static bool table_has_sessions(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_job_table *)base)->window.session_us > 0;
}

static bool table_has_sized_windows(const rwd_job *job, const void *base) { return table_has_windows(job, base) && !table_has_sessions(job, base); }

static bool table_tumbles(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_job_table *)base)->window.tumbling_us > 0;
}

static bool table_has_days(const rwd_job *job, const void *base) { return table_tumbles(job, base) && ((const rwd_job_table *)base)->window.tumbling_us % (DAY / US) == 0; }

static bool table_hops(const rwd_job *job, const void *base) {
    (void)job;
    return ((const rwd_job_table *)base)->window.hopping_us > 0;
}

static bool remembers_ids(const rwd_job *job, const void *base) {
    (void)base;
    return job->event.within_us > 0;
}

static bool time_field_is_hidden(const rwd_job *job, const void *base) {
    (void)base;
    return job->event.time_field >= 0 && job->event.fields[job->event.time_field].hidden;
}

static bool hidden_time_lacks_zone(const rwd_job *job, const void *base) {
    return time_field_is_hidden(job, base) && rwd_time_lacks_zone(&job->event.fields[job->event.time_field].time);
}

static bool has_event_time(const rwd_job *job, const void *base) {
    (void)base;
    return job->event.time_field >= 0;
}

static bool commits_by_time(const rwd_job *job, const void *base) {
    (void)base;
    return job->delivery.offset_multiple == 0;
}

static bool commits_by_offset(const rwd_job *job, const void *base) { return !commits_by_time(job, base); }

// ---- the table

static const rwd_key keys[] = {
    {.path = "", .kind = RWD_KEY_GROUP, .doc = "A job of Rewind: where events come from, what is kept of them, and where results go."},

    {.path = "job", .kind = RWD_KEY_JOB_NAME, .required = true, JOB(name), .example = "orders",
     .doc = "Name of the job. It names the data directory below `state.path`, and metrics."},
    {.path = "group", .kind = RWD_KEY_JOB_NAME, .environment = true, JOB(group), .applies = uses_kafka, .example = "orders-totals",
     .doc = "Kafka: the consumer group under which progress is committed. Default: the job's name."},

    {.path = "source", .kind = RWD_KEY_GROUP, .required = true, .example = "{file: {path: orders.jsonl}, format: json}",
     .doc = "Where records come from."},
    {.path = "source.file", .kind = RWD_KEY_GROUP, .required = true, .unless = "kafka", .excludes = "kafka", .example = "{path: orders.jsonl}",
     .doc = "A file is a partition: its records have the offsets 0, 1, 2 and so on."},
    {.path = "source.file.path", .kind = RWD_KEY_PATH, .required = true, .environment = true, JOB(source.path), .example = "orders.jsonl",
     .applies = source_is_file,
     .doc = "The file. A relative path is relative to the working directory."},
    {.path = "source.file.follow", .kind = RWD_KEY_BOOL, .environment = true, .fallback = "false", JOB(source.follow), .example = "true",
     .applies = source_is_file,
     .doc = "Wait for more at the end of the file; a record then ends at its newline. Otherwise the job ends there."},
    {.path = "source.kafka", .kind = RWD_KEY_GROUP, .required = true, .unless = "file", .example = "{brokers: \"localhost:9092\", topic: orders, partition: 0}",
     .doc = "One partition of a topic."},
    {.path = "source.kafka.brokers", .kind = RWD_KEY_TEXT, .required = true, .environment = true, JOB(kafka.brokers), .example = "localhost:9092",
     .applies = source_is_kafka, .doc = "HOST:PORT of one broker or, with commas between them, several."},
    {.path = "source.kafka.topic", .kind = RWD_KEY_TEXT, .required = true, .environment = true, JOB(source.topic), .example = "orders",
     .applies = source_is_kafka, .doc = "The topic."},
    {.path = "source.kafka.partition", .kind = RWD_KEY_INT, .required = true, .environment = true, .max = 1000000, JOB(source.partition), .example = "0",
     .applies = source_is_kafka, .doc = "The partition. Each has a process and a data directory of its own."},
    {.path = "source.kafka.start", .kind = RWD_KEY_GROUP, .shorthand = "at", .example = "{time: 2026-01-02T03:04:05Z}",
     .doc = "Where a new job begins. A job that has run goes on where it was, whatever stands here."},
    {.path = "source.kafka.start.at", .kind = RWD_KEY_CHOICE, .fallback = "earliest", .excludes = "offset", WORDS(start_words), JOB(source.start.at),
     .applies = starts_at_word, .example = "latest", .doc = "earliest: the first record that the partition holds. latest: its end."},
    {.path = "source.kafka.start.offset", .kind = RWD_KEY_INT, .excludes = "time", .max = INT64_MAX - 1, JOB(source.start.offset),
     .applies = starts_at_offset, .example = "1000", .doc = "This offset."},
    {.path = "source.kafka.start.time", .kind = RWD_KEY_TIME, .excludes = "at", JOB(source.start.time_us), .applies = starts_at_time,
     .example = "2026-01-02T03:04:05Z", .doc = "The first record whose time is at or after this."},
    {.path = "source.kafka.properties", .kind = RWD_KEY_MAP, .dotted = true, .max = RWD_KAFKA_PROPERTIES_MAX, .example = "{security.protocol: ssl}",
     .doc = "Properties of librdkafka, for reading and for writing. Those that promises rest on cannot be set."},
    {.path = "source.kafka.properties.*", .kind = RWD_KEY_TEXT, .example = "ssl",
     .doc = "The value. A password must come from a variable: `${NAME}`, which is the environment's NAME, or the text of the file that NAME_FILE names."},
    {.path = "source.tombstone", .kind = RWD_KEY_CHOICE, .fallback = "ignore", WORDS(tombstone_words), JOB(source.tombstone), .example = "dead-letter",
     .applies = source_is_kafka, .only = "where the source is Kafka",
     .doc = "What becomes of a record without a value. ignore: it is read and changes nothing. delete: the row whose key is the record's key vanishes from every "
            "table; a key of several fields is a JSON array, as in an output topic. dead-letter: it is one."},
    {.path = "source.format", .kind = RWD_KEY_CHOICE, .required = true, WORDS(format_words), JOB(source.format), .example = "json",
     .doc = "How a record is written."},
    {.path = "source.csv", .kind = RWD_KEY_GROUP, .applies = source_is_csv, .only = "where source.format is csv",
     .example = "{header: true}", .doc = "How the CSV is written."},
    {.path = "source.csv.header", .kind = RWD_KEY_BOOL, .fallback = "true", JOB(source.csv_header), .example = "false",
     .applies = source_is_csv, .only = "where source.format is csv",
     .doc = "The first row names the columns. Without it, columns are the fields of the event in their order."},
    {.path = "source.csv.delimiter", .kind = RWD_KEY_CHARACTER, .fallback = ",", JOB(source.csv_delimiter), .example = "\";\"",
     .applies = source_is_csv, .only = "where source.format is csv",
     .doc = "What separates columns: one ASCII character (a tab is \"\\t\")."},

    {.path = "source.protobuf", .kind = RWD_KEY_GROUP, .applies = source_is_protobuf, .only = "where source.format is protobuf",
     .example = "{descriptor: orders.desc, message: shop.Order}", .doc = "What the messages are."},
    {.path = "source.protobuf.descriptor", .kind = RWD_KEY_PATH, .required = true, .environment = true, JOB(source.descriptor), .example = "orders.desc",
     .applies = source_is_protobuf, .only = "where source.format is protobuf",
     .doc = "The file that `protoc --include_imports --descriptor_set_out=FILE` writes. Its bytes belong to the job's logic."},
    {.path = "source.protobuf.message", .kind = RWD_KEY_TEXT, .required = true, JOB(source.message), .example = "shop.Order",
     .applies = source_is_protobuf, .only = "where source.format is protobuf", .doc = "The message's name, with its package."},
    {.path = "source.protobuf.framing", .kind = RWD_KEY_CHOICE, .fallback = "none", WORDS(framing_words), JOB(source.framing), .example = "confluent",
     .applies = source_is_protobuf, .only = "where source.format is protobuf",
     .doc = "none: a record is the message. confluent: before it stand the schema's id and the message's place in it, as Confluent's serializers write them."},
    {.path = "source.raw", .kind = RWD_KEY_GROUP, .applies = source_is_raw, .only = "where source.format is raw", .example = "{key: string, value: int64be}",
     .doc = "What keys and values are. A field's `path` is `key` or `value`."},
    {.path = "source.raw.key", .kind = RWD_KEY_CHOICE, .fallback = "none", WORDS(raw_words), JOB(source.raw_key), .example = "string",
     .applies = source_is_raw, .only = "where source.format is raw", .doc = "The record's key."},
    {.path = "source.raw.value", .kind = RWD_KEY_CHOICE, .fallback = "none", WORDS(raw_words), JOB(source.raw_value), .example = "int64be",
     .applies = source_is_raw, .only = "where source.format is raw", .doc = "The record's value."},

    {.path = "source.plugin", .kind = RWD_KEY_GROUP, .applies = source_is_plugin, .only = "where source.format is plugin", .example = "{decoder: shop.order}",
     .doc = "Who decodes the records."},
    {.path = "source.plugin.decoder", .kind = RWD_KEY_TEXT, .required = true, JOB(source.decoder), .example = "shop.order", .applies = source_is_plugin,
     .only = "where source.format is plugin", .doc = "A decoder of one of the plugins: PLUGIN.DECODER. What a field's `path` means is up to it."},

    {.path = "plugins", .kind = RWD_KEY_GROUP, .example = "{files: [./shop.so]}",
     .doc = "Shared objects that bring decoders and aggregates of their own. Their bytes belong to the job's logic."},
    {.path = "plugins.files", .kind = RWD_KEY_LIST, .required = true, .one = true, .min = 1, .max = RWD_PLUGINS_MAX, .example = "[./shop.so]", .doc = "The files."},
    {.path = "plugins.files[]", .kind = RWD_KEY_PATH, .example = "./shop.so", .doc = "A file. A relative path is relative to the working directory."},
    {.path = "plugins.folder", .kind = RWD_KEY_PATH, .environment = true, JOB(plugins.folder), .applies = has_plugins, .example = "/plugins",
     .doc = "Each file is looked for in this folder by its name, the last part of its path."},
    {.path = "plugins.timeout", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "10s", .min = 50 * MS, .max = HOUR, JOB(plugins.timeout_ns),
     .applies = has_plugins, .example = "2s", .doc = "A call that takes longer is a loop: the process ends with a message that names it."},

    {.path = "kafka", .kind = RWD_KEY_GROUP, .applies = source_is_file, .only = "where the source is a file (else its brokers serve the outputs, too)",
     .example = "{brokers: \"localhost:9092\"}", .doc = "The cluster of the outputs, where the source is a file."},
    {.path = "kafka.brokers", .kind = RWD_KEY_TEXT, .required = true, .environment = true, JOB(kafka.brokers), .example = "localhost:9092",
     .applies = source_is_file, .doc = "HOST:PORT of one broker or, with commas between them, several."},
    {.path = "kafka.properties", .kind = RWD_KEY_MAP, .dotted = true, .max = RWD_KAFKA_PROPERTIES_MAX, .example = "{security.protocol: ssl}",
     .doc = "As `source.kafka.properties`."},
    {.path = "kafka.properties.*", .kind = RWD_KEY_TEXT, .example = "ssl", .doc = "The value."},

    {.path = "event", .kind = RWD_KEY_GROUP, .required = true, .example = "{fields: {customer: string, amount: decimal(2)}}",
     .doc = "What a record means."},
    {.path = "event.time", .kind = RWD_KEY_GROUP, .example = "{field: ts, format: epoch-ms}",
     .doc = "When an event happened. The highest event time so far is the stream time."},
    {.path = "event.time.field", .kind = RWD_KEY_FIELD, .required = true, .example = "ts",
     .doc = "A declared field of type time; or the place in the record of one that is not declared, with its `format`."},
    {.path = "event.time.format", .kind = RWD_KEY_TIME_FORMAT, .applies = time_field_is_hidden,
     .only = "where event.time.field is not a declared field (a declared one has its own format)", .example = "epoch-ms",
     .doc = "How the time is written, where `event.time.field` is not a declared field."},
    {.path = "event.time.zone", .kind = RWD_KEY_ZONE, .applies = hidden_time_lacks_zone,
     .only = "where event.time.field is not a declared field, and its format is a pattern without %z and %s", .example = "\"+02:00\"",
     .doc = "The zone of its texts, where `event.time.field` is not a declared field. Default: UTC."},
    {.path = "event.time.ahead", .kind = RWD_KEY_DURATION, .fallback = "0", .max = 3650 * DAY, .unit = US, JOB(event.ahead_us),
     .applies = has_event_time, .example = "1h",
     .doc = "An event further than this ahead of its record's time (of a file: of the stream time) is a dead letter and does not move the stream time. "
            "0: any is accepted. Default with a Kafka source: 1h."},
    {.path = "event.id", .kind = RWD_KEY_FIELD, .example = "event_id", .doc = "A declared field that tells events apart."},
    {.path = "event.dedup", .kind = RWD_KEY_GROUP, .example = "{within: 24h}",
     .doc = "An event whose `event.id` was applied already is not applied again. Ids are remembered exactly, on disk where memory has no room."},
    {.path = "event.dedup.within", .kind = RWD_KEY_DURATION, .required = true, .min = MS, .max = 1095 * DAY, .unit = US, JOB(event.within_us),
     .applies = remembers_ids, .example = "24h", .doc = "How long an id is remembered, in stream time from when its event was applied."},
    {.path = "event.dedup.duplicates", .kind = RWD_KEY_CHOICE, .fallback = "drop", WORDS(duplicates_words), JOB(event.duplicates), .applies = remembers_ids,
     .example = "dead-letter", .doc = "What becomes of an event that comes again. drop: it is counted."},
    {.path = "event.missing", .kind = RWD_KEY_CHOICE, .fallback = "dead-letter", WORDS(missing_words), JOB(event.missing), .example = "drop",
     .doc = "What becomes of an event of which a required field is absent, or a field is not of its type or does not fit it. drop: it is counted."},
    {.path = "event.late", .kind = RWD_KEY_CHOICE, .fallback = "dead-letter", WORDS(late_words), JOB(event.late), .example = "drop",
     .doc = "What becomes of an event that comes after all its windows of a table are closed. dead-letter: it goes there, and no table takes it. drop: it is counted, "
            "and the tables whose windows are open take it."},
    {.path = "event.each", .kind = RWD_KEY_TEXT, JOB(event.each), .applies = source_has_elements, .only = "where source.format is json or protobuf", .example = "line.items",
     .doc = "The path of an array, or of a repeated message: each element of it is an event, of 4096 in a record at most. A field whose `path` begins with a dot stands in the element (`.sku`; "
            "the dot alone is the element itself), any other in the record around it. Where there is no array, or it is null or empty, the record has no events."},
    {.path = "event.max_size", .kind = RWD_KEY_SIZE, .fallback = "1MiB", .min = 64, .max = GIB, JOB(event.max_size), .example = "64KiB",
     .doc = "A record larger than this is a dead letter."},
    {.path = "event.fields", .kind = RWD_KEY_MAP, .required = true, .min = 1, .max = RWD_FIELDS_MAX - 1,
     .example = "{customer: string, price: {type: decimal(2), path: unit price}}",
     .doc = "The fields of an event, by name. Every field that is neither optional nor has a default is required."},
    {.path = "event.fields.*", .kind = RWD_KEY_GROUP, .shorthand = "type", .example = "decimal(2)",
     .doc = "A field: its type, or a map of the keys below."},
    {.path = "event.fields.*.type", .kind = RWD_KEY_TYPE, .required = true, .size = sizeof(rwd_field), .example = "decimal(2)",
     .doc = "string, int, decimal(SCALE), bool, time, float or bytes."},
    {.path = "event.fields.*.path", .kind = RWD_KEY_TEXT, FIELD(path), .applies = fields_have_paths,
     .only = "where the source is not CSV without a header (columns then go by their order)", .example = "customer.id",
     .doc = "Where it stands in the record: the CSV column, the JSON member or the message's field (`a.b` is member b of member a; of an array or a repeated field, "
            "`a[0]` is the first element; JSON: `a[\"b.c\"]` is the member b.c of a), or of raw records `key` or `value`. Default: the field's name."},
    {.path = "event.fields.*.format", .kind = RWD_KEY_TIME_FORMAT, .fallback = "rfc3339", FIELD(time), .applies = field_is_time,
     .only = "for a field of type time", .example = "epoch-ms", .doc = "How a time is written."},
    {.path = "event.fields.*.zone", .kind = RWD_KEY_ZONE, .fallback = "+00:00", FIELD(time.zone), .applies = field_lacks_zone,
     .only = "for a field of type time whose format is a pattern without %z and %s", .example = "\"+02:00\"",
     .doc = "The zone of its texts: a name of the IANA database, such as Europe/Berlin, or a fixed distance from UTC."},
    {.path = "event.fields.*.optional", .kind = RWD_KEY_BOOL, .fallback = "false", .excludes = "default", FIELD(optional), .applies = field_is_optional,
     .example = "true", .doc = "true: where it is absent or null it is null. Aggregates pass over a null, and what is calculated of one is null."},
    {.path = "event.fields.*.default", .kind = RWD_KEY_TEXT, FIELD(default_text), .example = "sale",
     .doc = "Its value where it is absent or null, written as in a record; a time as the field's format says (of `protobuf-timestamp`: as RFC 3339)."},

    {.path = "tables", .kind = RWD_KEY_MAP, .required = true, .min = 1, .max = RWD_TABLES_MAX,
     .example = "{customers: {key: customer, aggregates: {orders: count()}}}",
     .doc = "The tables, by name. Every event updates one row of each that takes it."},
    {.path = "tables.*", .kind = RWD_KEY_GROUP, .example = "{key: customer, aggregates: {orders: count()}}",
     .doc = "A table: one row per key."},
    {.path = "tables.*.key", .kind = RWD_KEY_LIST, .required = true, .one = true, .named = true, .min = 1, .max = RWD_KEY_PARTS_MAX,
     .example = "customer", .doc = "What names the row: a field, a list of fields, or a map of names and expressions: `{region: lower(country), kind: kind}`."},
    {.path = "tables.*.key[]", .kind = RWD_KEY_EXPRESSION, .example = "customer",
     .doc = "A field; with a name, any expression. A null is a key of its own."},
    {.path = "tables.*.where", .kind = RWD_KEY_EXPRESSION, .example = "quantity != 0",
     .doc = "Which events the table takes. One for which this is false or null does not touch it."},
    {.path = "tables.*.window", .kind = RWD_KEY_GROUP, .example = "{tumbling: 1h, grace: 5m, retain: 30d}",
     .doc = "One row per key and window of event time. The key gets `window_start` as its last part."},
    {.path = "tables.*.window.tumbling", .kind = RWD_KEY_DURATION, .required = true, .unless = "session", .or_unless = "hopping", .excludes = "hopping", .min = MS,
     .max = 3650 * DAY, .unit = US, TABLE(window.tumbling_us), .applies = table_tumbles, .example = "1h", .doc = "The length of windows that follow each other."},
    {.path = "tables.*.window.hopping", .kind = RWD_KEY_DURATION, .required = true, .unless = "session", .or_unless = "tumbling", .excludes = "session", .min = MS,
     .max = 3650 * DAY, .unit = US, TABLE(window.hopping_us), .applies = table_hops, .example = "1h", .doc = "The length of windows that overlap."},
    {.path = "tables.*.window.session", .kind = RWD_KEY_DURATION, .required = true, .unless = "hopping", .or_unless = "tumbling", .excludes = "tumbling", .min = MS,
     .max = 3650 * DAY, .unit = US, TABLE(window.session_us), .applies = table_has_sessions, .example = "30m",
     .doc = "Sessions: a window is as long as events of its key follow each other in less than this. It ends this long after the last of them."},
    {.path = "tables.*.window.advance", .kind = RWD_KEY_DURATION, .min = MS, .max = 3650 * DAY, .unit = US, TABLE(window.advance_us), .applies = table_hops,
     .only = "for windows that hop", .example = "5m", .doc = "Hopping: time from the start of one window to the next, at most its length."},
    {.path = "tables.*.window.grace", .kind = RWD_KEY_DURATION, .fallback = "0", .max = 3650 * DAY, .unit = US, TABLE(window.grace_us),
     .applies = table_has_windows, .example = "5m", .doc = "How long after its end, in stream time, a window still takes events. Then it closes."},
    {.path = "tables.*.window.retain", .kind = RWD_KEY_DURATION, .fallback = "7d", .max = 3650 * DAY, .unit = US, TABLE(window.retain_us),
     .applies = table_has_windows, .example = "30d",
     .doc = "How long after its end, in stream time, a closed window stays in the state, where it can be read, exported and corrected."},
    {.path = "tables.*.window.offset", .kind = RWD_KEY_DURATION, .fallback = "0", .max = 3650 * DAY, .unit = US, TABLE(window.offset_us),
     .applies = table_has_sized_windows,
     .only = "for windows that tumble or hop", .example = "6h", .doc = "Windows begin this much after midnight (UTC) or after a multiple of their length since 1970."},
    {.path = "tables.*.window.zone", .kind = RWD_KEY_ZONE, .fallback = "+00:00", TABLE(window.zone), .applies = table_has_days, .only = "for tumbling windows of whole days",
     .example = "Europe/Berlin", .doc = "Windows of whole days begin at midnight there; one that holds a change of its clocks is an hour shorter or longer."},
    {.path = "tables.*.partial", .kind = RWD_KEY_BOOL, .fallback = "false", TABLE(partial), .applies = source_is_kafka, .only = "where the source is Kafka",
     .example = "true",
     .doc = "true: this partition's share of each key is what is meant. Otherwise a new key that belongs to another partition of the topic stops the job."},
    {.path = "tables.*.aggregates", .kind = RWD_KEY_MAP, .required = true, .min = 1, .max = RWD_COLUMNS_MAX,
     .example = "{orders: count(), revenue: sum(amount)}", .doc = "What is kept for each key, by name."},
    {.path = "tables.*.aggregates.*", .kind = RWD_KEY_AGGREGATE, .example = "sum(amount)",
     .doc = "count(), or a function of an expression and of the literals that it takes: sum(amount * quantity), quantile(latency, 0.99). The list is below. Behind it may "
            "stand a condition: `sum(amount) where kind == \"refund\"`; the aggregate takes the events for which it is true."},

    {.path = "tables.*.derived", .kind = RWD_KEY_MAP, .max = RWD_DERIVED_MAX, .example = "{net: revenue - refunds}",
     .doc = "Columns computed from the row, by name; each may read those before it. They are shown and published, and are no part of the state."},
    {.path = "tables.*.derived.*", .kind = RWD_KEY_EXPRESSION, .example = "revenue - refunds",
     .doc = "An expression over the parts of the key, `window_start` and `window_end`, aggregates and derived columns. Null where it cannot be evaluated."},

    {.path = "invariants", .kind = RWD_KEY_LIST, .max = RWD_INVARIANTS_MAX, .example = "[{table: customers, check: revenue >= 0, on_violation: alert}]",
     .doc = "What must hold for every row. Checked on the keys that changed, before a commit is sent. They are no part of the logic: they may be changed at any restart."},
    {.path = "invariants[]", .kind = RWD_KEY_GROUP, .example = "{table: customers, check: revenue >= 0}", .doc = "One of them."},
    {.path = "invariants[].table", .kind = RWD_KEY_TABLE, .example = "customers", .doc = "The table. Optional where there is only one."},
    {.path = "invariants[].check", .kind = RWD_KEY_EXPRESSION, .required = true, .example = "revenue >= 0",
     .doc = "A condition over the row, as in `tables.NAME.derived`. It is violated where it is false; where it is null, or cannot be evaluated, it is not."},
    {.path = "invariants[].on_violation", .kind = RWD_KEY_CHOICE, .fallback = "alert", WORDS(violation_words), INVARIANT(on_violation), .example = "park",
     .doc = "alert: log, metric, status, and a mark on checkpoints; the row is published. park: the job stops before it publishes the row."},

    {.path = "sinks", .kind = RWD_KEY_LIST, .max = RWD_SINKS_MAX, .example = "[{table: customers, file: {path: out/customers.jsonl}}]",
     .doc = "Where results go. Without sinks the state is only kept, queried and exported."},
    {.path = "sinks[]", .kind = RWD_KEY_GROUP, .example = "{table: customers, file: {path: out/customers.jsonl}}", .doc = "An output."},
    {.path = "sinks[].table", .kind = RWD_KEY_TABLE, .example = "customers", .doc = "The table. Optional where there is only one."},
    {.path = "sinks[].file", .kind = RWD_KEY_GROUP, .required = true, .unless = "kafka", .excludes = "kafka", .example = "{path: out/customers.jsonl}", .doc = "An output file."},
    {.path = "sinks[].file.path", .kind = RWD_KEY_PATH, .required = true, SINK(path), .example = "out/customers.jsonl",
     .doc = "The file. It must not exist when the job first starts."},
    {.path = "sinks[].kafka", .kind = RWD_KEY_GROUP, .required = true, .unless = "file", .example = "{topic: customer-totals}",
     .doc = "An output topic. Either all outputs are topics or all are files."},
    {.path = "sinks[].kafka.topic", .kind = RWD_KEY_TEXT, .required = true, SINK(topic), .example = "customer-totals",
     .doc = "The topic, which must exist. A record's key is the row's key."},
    {.path = "sinks[].kafka.partition", .kind = RWD_KEY_CHOICE, .fallback = "murmur2", WORDS(partitioner_words), SINK(partition), .applies = sink_is_topic,
     .example = "same",
     .doc = "murmur2: by the row's key, as Java's clients do. same: the partition of the input, whatever the key; the topic then has as many, or more."},
    {.path = "sinks[].format", .kind = RWD_KEY_CHOICE, .fallback = "json", .words = format_words, .word_count = RWD_FORMAT_PLUGIN, SINK(format), .example = "csv",
     .doc = "How a row is written."},
    {.path = "sinks[].raw", .kind = RWD_KEY_GROUP, .applies = sink_is_raw, .only = "where the sink's format is raw",
     .example = "{key: string, value: int64be}", .doc = "What keys and values are; the value is the one aggregate that `fields` names."},
    {.path = "sinks[].raw.key", .kind = RWD_KEY_CHOICE, .fallback = "string", WORDS(raw_words), SINK(raw_key), .example = "string", .applies = sink_is_raw,
     .only = "where the sink's format is raw", .doc = "The record's key."},
    {.path = "sinks[].raw.value", .kind = RWD_KEY_CHOICE, .fallback = "none", WORDS(raw_words), SINK(raw_value), .example = "int64be",
     .applies = sink_is_raw, .only = "where the sink's format is raw", .doc = "The record's value."},
    {.path = "sinks[].fields", .kind = RWD_KEY_LIST, .min = 1, .max = RWD_COLUMNS_MAX + RWD_DERIVED_MAX, .example = "[orders, revenue]",
     .doc = "The aggregates and derived columns to write, in this order, behind the key fields. Default: all."},
    {.path = "sinks[].fields[]", .kind = RWD_KEY_COLUMN, .example = "orders", .doc = "An aggregate or a derived column of the table."},
    {.path = "sinks[].where", .kind = RWD_KEY_EXPRESSION, .example = "revenue > 1000",
     .doc = "Which rows are published: a condition over the row, as in `tables.NAME.derived`. A key that passed and no longer does is published as one that vanished."},
    {.path = "sinks[].emit", .kind = RWD_KEY_CHOICE, .fallback = "commit", WORDS(emit_words), SINK(emit), .example = "update",
     .doc = "commit: the newest row of each changed key, per commit. update: one row per event. close: one row per window, when it closes."},

    {.path = "state", .kind = RWD_KEY_GROUP, .example = "{path: ./rewind-data, memory: 512MiB}", .doc = "What is kept between runs."},
    {.path = "state.path", .kind = RWD_KEY_PATH, .environment = true, .fallback = "./rewind-data", JOB(state.path),
     .example = "/var/lib/rewind", .doc = "Folder of the data directories. This job's is PATH/JOB/0."},
    {.path = "state.memory", .kind = RWD_KEY_SIZE, .environment = true, .fallback = "512MiB", .min = 64 * MIB, .max = 16 * TIB,
     JOB(state.memory), .example = "2GiB",
     .doc = "Bytes for state in memory, caches and buffers. State that is larger works too; results never depend on it."},
    {.path = "state.io", .kind = RWD_KEY_CHOICE, .fallback = "auto", WORDS(io_words), JOB(state.io), .example = "pread",
     .doc = "How bulk reads and writes are made: io_uring with registered buffers, io_uring, or pread and pwrite in threads. auto: the best that works here. "
            "Another one: that one, or the job does not start. `--io` and `REWIND_IO` come first."},

    {.path = "checkpoints", .kind = RWD_KEY_GROUP, .example = "{every: 10s, keep: {last: 30, hourly: 24, daily: 7}}", .doc = "What the job can go back to."},
    {.path = "checkpoints.every", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "10s", .min = 10 * MS, .max = DAY,
     JOB(checkpoints.every_ns), .example = "1m", .doc = "Time from one checkpoint to the next."},
    {.path = "checkpoints.keep", .kind = RWD_KEY_GROUP, .example = "{last: 30, hourly: 24, daily: 7}",
     .doc = "Which checkpoints stay: those that any of the rules wants. Hours and days are those of UTC in which they were made."},
    {.path = "checkpoints.keep.last", .kind = RWD_KEY_INT, .environment = true, .fallback = "30", .min = 2, .max = 100000,
     JOB(checkpoints.keep_last), .example = "100", .doc = "How many of the newest ones. Pinned and tagged ones stay as well."},
    {.path = "checkpoints.keep.hourly", .kind = RWD_KEY_INT, .environment = true, .fallback = "24", .min = 0, .max = 100000,
     JOB(checkpoints.keep_hourly), .example = "48", .doc = "The newest one of each of so many hours: the last ones in which any was made. 0: none for that."},
    {.path = "checkpoints.keep.daily", .kind = RWD_KEY_INT, .environment = true, .fallback = "7", .min = 0, .max = 100000,
     JOB(checkpoints.keep_daily), .example = "30", .doc = "Likewise of days."},
    {.path = "checkpoints.keep.within", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "0", .max = 3650 * DAY, .unit = US,
     JOB(checkpoints.keep_within_us), .example = "2h", .doc = "All that were made within so long before the last one. 0: none for that."},
    {.path = "checkpoints.full", .kind = RWD_KEY_GROUP, .example = "{every: 24h, keep: 1}",
     .doc = "Independent copies: checkpoints share files, so one damaged file condemns each that lists it; a copy shares none."},
    {.path = "checkpoints.full.every", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "24h", .min = 10 * MS, .max = 365 * DAY,
     JOB(checkpoints.full_every_ns), .example = "6h", .doc = "Time from one copy to the next."},
    {.path = "checkpoints.full.keep", .kind = RWD_KEY_INT, .environment = true, .fallback = "1", .min = 0, .max = 1000,
     JOB(checkpoints.full_keep), .example = "2", .doc = "How many copies stay. 0: none are made."},

    {.path = "journal", .kind = RWD_KEY_GROUP, .shorthand = "mode", .applies = source_is_kafka, .only = "of a partition of Kafka: a file is its own log",
     .example = "{keep: 7d, size: 20GiB}", .doc = "An own copy of the records as they were read, in the data directory: what was deleted or compacted in the topic can still be "
            "replayed."},
    {.path = "journal.mode", .kind = RWD_KEY_CHOICE, .environment = true, .fallback = "on", WORDS(journal_words), JOB(journal.mode), .applies = source_is_kafka,
     .example = "off", .doc = "`off`: there is no journal, and replay needs the topic. What was journaled before stays, unread."},
    {.path = "journal.keep", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "7d", .min = 100 * MS, .max = 3650 * DAY, JOB(journal.keep_ns),
     .applies = source_is_kafka, .example = "30d", .doc = "How long records stay, at least where `size` allows; they go in segments of about a sixteenth."},
    {.path = "journal.size", .kind = RWD_KEY_SIZE, .environment = true, .fallback = "20GiB", .min = 16 * MIB, .max = 1024 * TIB, JOB(journal.size),
     .applies = source_is_kafka, .example = "100GiB", .doc = "Disk that the journal may take. It wins over `keep`; but what came since the second newest checkpoint never goes."},
    {.path = "journal.codec", .kind = RWD_KEY_CHOICE, .environment = true, .fallback = "lz4", WORDS(codec_words), JOB(journal.codec), .applies = source_is_kafka,
     .example = "zstd", .doc = "How new blocks are compressed."},
    {.path = "journal.on_full", .kind = RWD_KEY_CHOICE, .environment = true, .fallback = "stop", WORDS(full_words), JOB(journal.on_full), .applies = source_is_kafka,
     .example = "continue", .doc = "Where disk or `size` is full: `stop` the operator before anything is lost, or `continue` with a hole, for which replay needs the topic."},

    {.path = "delivery", .kind = RWD_KEY_GROUP, .example = "{commit_every: 200ms}", .doc = "When outputs are committed, and how."},
    {.path = "delivery.mode", .kind = RWD_KEY_CHOICE, .environment = true, .fallback = "exactly-once", WORDS(delivery_words), JOB(delivery.mode),
     .applies = commits_to_kafka, .only = "where outputs are topics", .example = "at-least-once",
     .doc = "exactly-once: outputs and position are committed in one transaction. at-least-once: for brokers without transactions; after a crash outputs may come again."},
    {.path = "delivery.commit_every", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "200ms", .min = MS, .max = HOUR,
     .excludes = "commit_at", JOB(delivery.commit_every_ns), .applies = commits_by_time, .example = "1s",
     .doc = "Time from one commit to the next."},
    {.path = "delivery.commit_at", .kind = RWD_KEY_GROUP, .example = "{offset_multiple: 1000}",
     .doc = "Commits at fixed offsets instead, so that two runs write the same bytes."},
    {.path = "delivery.commit_at.offset_multiple", .kind = RWD_KEY_INT, .required = true, .environment = true, .min = 1,
     .max = 1000000000000, JOB(delivery.offset_multiple), .applies = commits_by_offset, .example = "1000",
     .doc = "Commit whenever the next offset is a multiple of this."},

    {.path = "delivery.idle_every", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "1h", .min = 100 * MS, .max = DAY,
     JOB(delivery.idle_every_ns), .applies = commits_to_kafka, .only = "where outputs are topics", .example = "10m",
     .doc = "Kafka: without input the position is committed again after this time, since brokers forget positions after `offsets.retention.minutes`."},

    {.path = "repair", .kind = RWD_KEY_GROUP, .example = "{max_transaction: 200000, keep: 7d}", .doc = "How corrections of a repair are published, and how long it can be taken back."},
    {.path = "repair.max_transaction", .kind = RWD_KEY_INT, .environment = true, .fallback = "200000", .min = 1, .max = 3000000, JOB(repair.max_transaction), .example = "50000",
     // C7: at 100 thousand rows a second the most takes half of the default transaction.timeout.ms.
     .doc = "Corrections in one transaction, at most; they must be out within half of `transaction.timeout.ms`. A repair of more takes several: the first moves the position to the new history, "
            "nothing else is published until all are out."},
    {.path = "repair.keep", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "7d", .max = 3650 * DAY, .unit = US, JOB(repair.keep_us), .example = "30d",
     .doc = "How long the newest checkpoint before a repair, and the journal from it on, stay for `rewind repair undo`."},

    {.path = "errors", .kind = RWD_KEY_GROUP, .example = "{dead_letter: {file: {path: out/dead.jsonl}}}",
     .doc = "What happens to bad events."},
    {.path = "errors.retries", .kind = RWD_KEY_INT, .environment = true, .fallback = "3", .max = 20, JOB(retries), .applies = has_retries,
     .only = "where the source is Kafka or source.format is plugin", .example = "5",
     .doc = "How often a dead letter may be sent again in vain (`rewind dlq redrive`): then it has failed for good. Of a plugin's decoder: how often a record is handed to it again that it "
            "says may pass later, with a back-off that doubles from 50ms; then the job stops."},
    {.path = "errors.dead_letter", .kind = RWD_KEY_GROUP, .example = "{file: {path: out/dead.jsonl}}",
     .doc = "Where events go that failed for good. Without it a bad event stops the job."},
    {.path = "errors.dead_letter.file", .kind = RWD_KEY_GROUP, .required = true, .unless = "kafka", .excludes = "kafka", .example = "{path: out/dead.jsonl}",
     .doc = "A file of JSON Lines."},
    {.path = "errors.dead_letter.file.path", .kind = RWD_KEY_PATH, .required = true, .environment = true, JOB(dead_letter_path),
     .example = "out/dead.jsonl", .doc = "The file. Each line has the record's offset, the reason and the original bytes."},
    {.path = "errors.dead_letter.kafka", .kind = RWD_KEY_GROUP, .required = true, .unless = "file", .example = "{topic: orders-dlq}", .doc = "A topic."},
    {.path = "errors.dead_letter.kafka.topic", .kind = RWD_KEY_TEXT, .required = true, .environment = true, JOB(dead_letter_topic),
     .example = "orders-dlq", .doc = "The topic, which must exist. A record has the original key and value, and headers that say what was wrong."},

    {.path = "on_change", .kind = RWD_KEY_CHOICE, .environment = true, .fallback = "refuse", WORDS(on_change_words), JOB(on_change), .example = "from-now",
     .doc = "The job file's logic or outputs are others than those that the data directory goes on with, and never were its own. refuse: the job does not start. from-now: records that are not "
            "committed yet, and all later ones, are decided by the job file; earlier ones stay as they were. replay: all records are, from the first one on, and what stands in the "
            "outputs is corrected. A job file that was in force once changes nothing: the job goes on, with a warning."},
    {.path = "on_stop", .kind = RWD_KEY_CHOICE, .environment = true, .fallback = "exit", WORDS(on_stop_words), JOB(on_stop),
     .example = "park",
     .doc = "When the job cannot go on without a person. exit: end with an exit code. park: stay up, stop processing, say why."},

    {.path = "stop_timeout", .kind = RWD_KEY_DURATION, .environment = true, .fallback = "10s", .min = 100 * MS, .max = HOUR,
     JOB(stop_timeout_ns), .example = "1m",
     .doc = "Told to stop while no broker answers, the job waits this long for the last commit, and ends without it: the next start replays what was not committed."},

    {.path = "http", .kind = RWD_KEY_GROUP, .example = "{listen: 127.0.0.1:9464}", .doc = "Metrics, health and status over HTTP."},
    {.path = "http.listen", .kind = RWD_KEY_ADDRESS, .environment = true, .fallback = "127.0.0.1:9464", .size = sizeof(rwd_job),
     .example = "0.0.0.0:9464", .doc = "HOST:PORT, or off. Port 0 takes a free one."},
};

const rwd_key *rwd_key_at(size_t index) { return index < sizeof keys / sizeof *keys ? &keys[index] : NULL; }

const rwd_key *rwd_key_by_path(const char *path) {
    for (size_t i = 0; rwd_key_at(i); i++)
        if (strcmp(keys[i].path, path) == 0) return &keys[i];
    return NULL;
}

// Size of the path of what holds a key: of "a.b" it is "a", of "a[]" it is "a", of "a" it is "".
static size_t holder_size(const char *path) {
    size_t size = strlen(path);
    if (size >= 2 && path[size - 1] == ']') return size - 2;
    while (size > 0 && path[size - 1] != '.') size--;
    return size > 0 ? size - 1 : 0;
}

bool rwd_key_is_inside(const rwd_key *key, const rwd_key *container) {
    size_t size = holder_size(key->path);
    return key->path[0] != '\0' && strlen(container->path) == size && memcmp(container->path, key->path, size) == 0;
}

const char *rwd_key_name(const rwd_key *key) {
    size_t size = holder_size(key->path);
    return key->path + (size > 0 ? size + 1 : 0);
}

const rwd_key *rwd_key_member(const rwd_key *group, const char *name) {
    for (size_t i = 0; rwd_key_at(i); i++)
        if (rwd_key_is_inside(&keys[i], group) && strcmp(rwd_key_name(&keys[i]), name) == 0) return &keys[i];
    return NULL;
}

const rwd_key *rwd_key_item(const rwd_key *container) {
    assert(container->kind == RWD_KEY_MAP || container->kind == RWD_KEY_LIST);
    for (size_t i = 0; rwd_key_at(i); i++)
        if (rwd_key_is_inside(&keys[i], container)) return &keys[i];
    assert(!"a map or list without a row for what it holds");
    return NULL;
}

bool rwd_key_is_settable(const rwd_key *key) { return !rwd_key_is_container(key) && !strpbrk(key->path, "*["); }

void rwd_key_environment_name(const rwd_key *key, char out[128]) {
    (void)snprintf(out, 128, "REWIND_%s", key->path);
    for (char *p = out; *p; p++) {
        if (*p >= 'a' && *p <= 'z') *p = (char)(*p - 'a' + 'A');
        else if (*p == '.') *p = '_';
    }
}
