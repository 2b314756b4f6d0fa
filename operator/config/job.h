// The job: a job file after it was read, checked and given its defaults.
//
// Every key of a job file is one row of the key table (keys.h); from it come the parser, the defaults, the checks, the schema and the manual.
// An unknown key is an error that names the nearest right one, with line and column. ${NAME} and ${NAME:-default} in any value are
// taken from the environment. Precedence: flag > environment (REWIND_*) > file.
//
// Thread: a job is immutable once loaded; any.
#ifndef OPERATOR_CONFIG_JOB_H
#define OPERATOR_CONFIG_JOB_H

#include "operator/base/hash.h"
#include "operator/base/time.h"
#include "operator/config/descriptor.h"
#include "operator/expr/expr.h"
#include "operator/kafka/properties.h"
#include "operator/plugin/plugin.h"
#include "state/schema.h"

// Raised when the meaning of any step changes; part of every fingerprint (L4).
#define RWD_STEP_VERSION 1

#define RWD_FIELDS_MAX 256
#define RWD_SINKS_MAX 32
#define RWD_DERIVED_MAX 64
#define RWD_INVARIANTS_MAX 32     // a bit each (invariants.h)
#define RWD_EVENT_EXPRS_MAX 1024  // different expressions over events

// name in job files, doc
#define RWD_FORMAT_TABLE(X)                                                                                   \
    X(JSON, "json", "one JSON object a record (files: JSON Lines)")                                           \
    X(CSV, "csv", "comma-separated values, RFC 4180")                                                         \
    X(PROTOBUF, "protobuf", "one message of Protocol Buffers a record (files: each behind its length)")       \
    X(RAW, "raw", "key and value of a record of Kafka as its own serializers write them")                     \
    X(PLUGIN, "plugin", "what a plugin's decoder reads (files: one record a line); not for outputs")

typedef enum rwd_format {
#define RWD_FORMAT_ENUM(id, name, doc) RWD_FORMAT_##id,
    RWD_FORMAT_TABLE(RWD_FORMAT_ENUM)
#undef RWD_FORMAT_ENUM
        RWD_FORMAT_COUNT
} rwd_format;
// "json": as in job files. Static.
const char *rwd_format_name(rwd_format format);

// How a message of protobuf stands in a record: name in job files, doc
typedef enum rwd_proto_framing { RWD_PROTO_BARE, RWD_PROTO_CONFLUENT, RWD_PROTO_FRAMING_COUNT } rwd_proto_framing;

// What a raw key or value is, after Kafka's serializers. Name in job files, doc.
#define RWD_RAW_TABLE(X)                                                   \
    X(NONE, "none", "it is not read or written")                           \
    X(STRING, "string", "UTF-8 text (StringSerializer)")                   \
    X(INT32, "int32be", "4 bytes, big-endian (IntegerSerializer)")         \
    X(INT64, "int64be", "8 bytes, big-endian (LongSerializer)")            \
    X(FLOAT64, "float64be", "8 bytes, big-endian (DoubleSerializer)")      \
    X(BYTES, "bytes", "any bytes (ByteArraySerializer)")

typedef enum rwd_raw_type {
#define RWD_RAW_ENUM(id, name, doc) RWD_RAW_TYPE_##id,
    RWD_RAW_TABLE(RWD_RAW_ENUM)
#undef RWD_RAW_ENUM
        RWD_RAW_TYPE_COUNT
} rwd_raw_type;
const char *rwd_raw_type_name(rwd_raw_type type);  // static

typedef struct rwd_field {
    char *name;
    char *path;              // where it stands in the record: CSV column, JSON member or element (json_path.h), protobuf field, raw "key" or "value";
                             // the name unless given
    rwd_type type;
    uint8_t scale;           // of a decimal
    rwd_time_format time;    // of a time; RFC 3339 unless given
    bool hidden;             // not declared: stands here for event.time.field
    bool inside;             // its path begins at the element of event.each
    bool optional;           // null where it is absent; else that is a fault
    char *default_text;      // the value where it is absent, in one form for each value; NULL: there is none
    rwd_value fallback;      // the same; not present where there is none. *Borrows* from default_text and default_bytes
    uint8_t *default_bytes;  // of BYTES
} rwd_field;

// Events of one record, at most: elements of the array that event.each names. A record of more is TOO_LARGE.
#define RWD_EVENTS_PER_RECORD_MAX 4096

// What becomes of an event of which a required field is absent, or a field is not what it is declared to be.
typedef enum rwd_missing { RWD_MISSING_DEAD_LETTER, RWD_MISSING_DROP } rwd_missing;

// Where a new job begins to read a Kafka partition. `offset` and `time` win over `at` where they are set.
typedef enum rwd_start_at { RWD_START_EARLIEST, RWD_START_LATEST } rwd_start_at;
typedef struct rwd_start {
    rwd_start_at at;
    int64_t offset;          // -1: not given
    int64_t time_us;         // RWD_TIME_NONE: not given
} rwd_start;

// What becomes of a record without a value.
typedef enum rwd_tombstone { RWD_TOMBSTONE_IGNORE, RWD_TOMBSTONE_DELETE, RWD_TOMBSTONE_DEAD_LETTER } rwd_tombstone;

// What becomes of an event whose id was applied already.
typedef enum rwd_duplicates { RWD_DUPLICATES_DROP, RWD_DUPLICATES_DEAD_LETTER } rwd_duplicates;

// What becomes of an event whose windows are closed.
typedef enum rwd_late { RWD_LATE_DEAD_LETTER, RWD_LATE_DROP } rwd_late;

typedef enum rwd_emit { RWD_EMIT_COMMIT, RWD_EMIT_UPDATE, RWD_EMIT_CLOSE } rwd_emit;

// Which partition of an output topic a row goes to: by its key, as Java's clients do, or that of the input (a file's: 0).
typedef enum rwd_partitioner { RWD_PARTITIONER_MURMUR2, RWD_PARTITIONER_SAME } rwd_partitioner;

typedef struct rwd_job_sink {
    uint16_t table;          // index into tables
    char *path;              // sinks[].file.path, or NULL
    char *topic;             // sinks[].kafka.topic, or NULL
    rwd_partitioner partition;
    rwd_format format;
    rwd_emit emit;
    rwd_raw_type raw_key, raw_value;  // raw.key, raw.value: of format raw
    uint16_t *columns;       // indexes of the table's columns (rwd_job_table_column), in output order; all of them unless `fields:`
    size_t column_count;
    rwd_expr *where;         // over the row, NULL: all pass. A key that no longer passes is published as one that vanished
} rwd_job_sink;

// What a part of a key, a condition or an aggregate reads of an event.
typedef struct rwd_job_use {
    int16_t slot;            // below event.field_count a field; from there on event.exprs[slot - field_count]; -1: nothing
    const char *text;        // normal form; NULL: nothing is read
    const char *place;       // "tables.customers.aggregates.revenue", for messages
} rwd_job_use;

// A column computed from others when somebody asks: it is in no state and no digest.
typedef struct rwd_job_derived {
    char *name;
    rwd_expr *expr;
} rwd_job_derived;

// Where the names of a row stand for expressions over it: parts of the key, the window's end, aggregates, derived columns.
#define RWD_ROW_SLOT_WINDOW_END RWD_KEY_PARTS_MAX
#define RWD_ROW_SLOT_COLUMN (RWD_ROW_SLOT_WINDOW_END + 1)
#define RWD_ROW_SLOT_DERIVED (RWD_ROW_SLOT_COLUMN + RWD_COLUMNS_MAX)
#define RWD_ROW_SLOTS (RWD_ROW_SLOT_DERIVED + RWD_DERIVED_MAX)

typedef struct rwd_job_table {
    rwd_schema schema;
    rwd_job_derived derived[RWD_DERIVED_MAX];
    size_t derived_count;
    rwd_job_use key[RWD_KEY_PARTS_MAX];      // the start of the window reads nothing
    rwd_job_use where;                       // tables.*.where: a bool
    rwd_job_use args[RWD_COLUMNS_MAX];       // of the aggregates, by column
    rwd_job_use conditions[RWD_COLUMNS_MAX]; // their `where`: bools
    struct {                 // as written; schema.window has what follows from it. 0: not given
        int64_t tumbling_us, hopping_us, session_us, advance_us, grace_us, retain_us, offset_us;
        rwd_time_zone zone;
    } window;
    bool partial;            // tables.*.partial: keys may have events in other partitions, too
} rwd_job_table;

// S5. ALERT: it is said, and the job goes on. PARK: the job stops before it publishes what breaks it.
typedef enum rwd_on_violation { RWD_ON_VIOLATION_ALERT, RWD_ON_VIOLATION_PARK } rwd_on_violation;
typedef struct rwd_job_invariant {
    uint16_t table;          // index into tables
    rwd_expr *check;         // over the row; it is violated where this is false
    rwd_on_violation on_violation;
} rwd_job_invariant;

// state.io, in the order of rwd_io_tier (checkpoints/io/io.h), which this room does not see.
typedef enum rwd_io_wanted { RWD_IO_WANTED_AUTO, RWD_IO_WANTED_PREAD, RWD_IO_WANTED_URING, RWD_IO_WANTED_URING_REGISTERED } rwd_io_wanted;
// EXACTLY_ONCE: in transactions; where outputs are files, by their commit log.
typedef enum rwd_delivery_mode { RWD_DELIVERY_EXACTLY_ONCE, RWD_DELIVERY_AT_LEAST_ONCE } rwd_delivery_mode;
typedef enum rwd_journal_mode { RWD_JOURNAL_ON, RWD_JOURNAL_OFF } rwd_journal_mode;
typedef enum rwd_on_full { RWD_ON_FULL_STOP, RWD_ON_FULL_CONTINUE } rwd_on_full;
typedef enum rwd_on_change { RWD_ON_CHANGE_REFUSE, RWD_ON_CHANGE_FROM_NOW, RWD_ON_CHANGE_REPLAY } rwd_on_change;
typedef enum rwd_on_stop { RWD_ON_STOP_EXIT, RWD_ON_STOP_PARK } rwd_on_stop;

typedef struct rwd_job {
    char *file;              // the job file's path, for messages
    char *name;              // job:
    char *group;             // group: the consumer group, or NULL: it has the job's name
    struct {
        char *path;          // source.file.path, or NULL: a Kafka partition
        bool follow;         // always of a Kafka partition
        char *topic;         // source.kafka.topic, or NULL: a file
        unsigned partition;
        rwd_start start;
        rwd_tombstone tombstone;
        rwd_format format;
        bool csv_header;     // csv.header
        char csv_delimiter;  // csv.delimiter
        char *descriptor;    // protobuf.descriptor: path of the set
        char *message;       // protobuf.message
        rwd_proto_framing framing;
        rwd_descriptor *types;                 // of format protobuf: the set, and its message
        const rwd_proto_message *message_type;
        rwd_raw_type raw_key, raw_value;       // raw.key, raw.value
        char *decoder;       // plugin.decoder: "shop.order"
    } source;
    struct {
        char **files;        // as written
        size_t file_count;
        char *folder;        // where they are looked for by their names; NULL: each where its path says
        int64_t timeout_ns;  // of one call
        rwd_plugins *loaded; // NULL: none
        rwd_expr_extern *functions;  // function_count of them, for expressions
        size_t function_count;
    } plugins;
    struct {                 // the one cluster of a job: source.kafka's, or `kafka` beside a file
        char *brokers;       // NULL: nothing of the job is Kafka's
        rwd_kafka_property *properties;
        size_t property_count;
    } kafka;
    struct {
        int16_t time_field;  // index into fields, or -1: no event time
        char *each;          // event.each: path of the array whose elements are events, or NULL: a record is one event
        rwd_missing missing; // event.missing
        rwd_late late;       // event.late
        int16_t id_field;    // event.id: index into fields, or -1
        int64_t within_us;   // event.dedup.within; 0: ids are not remembered
        rwd_duplicates duplicates;  // event.dedup.duplicates
        int64_t ahead_us;    // event.time.ahead; 0: off (S2)
        uint64_t max_size;   // event.max_size: a larger record is a dead letter
        rwd_field *fields;   // declared ones, in the order of the file; plus one for event.time.field where that is not declared
        size_t field_count;
        rwd_expr **exprs;    // what tables read that is no plain field, each once; the names' slots are indexes into fields
        size_t expr_count;
        unsigned metadata;   // RWD_EXPR_META_BITs that they read
        rwd_arena texts;     // what uses *borrow*
    } event;
    rwd_job_table *tables;
    size_t table_count;
    rwd_job_invariant *invariants;
    size_t invariant_count;
    rwd_job_sink *sinks;
    size_t sink_count;
    unsigned retries;        // errors.retries: of a decoder's passing fault, and of redriven records
    char *dead_letter_path;  // errors.dead_letter.file.path; without it and without a topic a bad event stops the operator
    char *dead_letter_topic; // errors.dead_letter.kafka.topic
    struct { char *path; uint64_t memory; rwd_io_wanted io; } state;
    struct {
        int64_t every_ns;
        unsigned keep_last, keep_hourly, keep_daily;
        int64_t keep_within_us;
        int64_t full_every_ns;
        unsigned full_keep;
    } checkpoints;
    struct {                 // of a Kafka partition
        rwd_journal_mode mode;
        int64_t keep_ns;
        uint64_t size;
        unsigned codec;      // in the order of rwd_journal_codec (checkpoints/journal/codec.h)
        rwd_on_full on_full;
    } journal;
    struct {
        rwd_delivery_mode mode;
        int64_t commit_every_ns;  // 0 where offset_multiple is set
        int64_t offset_multiple;  // delivery.commit_at.offset_multiple, or 0
        int64_t idle_every_ns;    // C3: Kafka: C is committed again after this time without output
    } delivery;
    rwd_on_change on_change; // L5: the job file is not what C's lineage goes on with
    struct { uint64_t max_transaction; int64_t keep_us; } repair;
    rwd_on_stop on_stop;
    int64_t stop_timeout_ns; // told to stop: how long the last commit is waited for
    struct { char *host; uint16_t port; bool off; } http;

    // L4: all that decides a step's result, normalised to text and hashed; and the same for what is published.
    char *logic_text;
    rwd_hash128 logic;
    char *sinks_text;
    rwd_hash128 sinks_hash;
} rwd_job;

// A value given on the command line: "checkpoints.every=5s".
typedef struct rwd_override { const char *key; const char *value; } rwd_override;

// Reads, checks and completes a job file. *gives*. Errors: CONFIG with "file:line:column" as the place, and the nearest right word.
// Relative paths in it are relative to the working directory, as in any command.
RWD_MUST bool rwd_job_load(const char *file, const rwd_override *overrides, size_t override_count, rwd_job **out, rwd_error *err);
// The same from text; `name` stands for the file in messages.
RWD_MUST bool rwd_job_parse(const char *name, rwd_slice text, const rwd_override *overrides, size_t override_count, rwd_job **out, rwd_error *err);
void rwd_job_free(rwd_job *job);

// The logic of a job file: `event`, `tables`, `plugins`, and what `source` says of how records are written.
typedef enum rwd_take_sinks { RWD_SINKS_OF_BASE, RWD_SINKS_OF_LOGIC, RWD_SINKS_NONE } rwd_take_sinks;  // NONE: nor invariants. OF_LOGIC: those of the invariants that its tables have the columns for
typedef struct rwd_job_logic {
    const char *name;        // of the file, for messages
    rwd_slice text;
    const char *folder;      // NULL: descriptor set and plugins stand where the text says; else in this folder under
    const char *descriptor;  // this name, and
    const char *plugins;     // in this folder of it
    rwd_take_sinks sinks;
} rwd_job_logic;
// A job with that logic, and all else as in `base` (connection, state, journal, cadences, ...). Its `file` is base's. *gives*. Errors: as parse; CONFIG where sinks of `base`
// name what the tables of the logic do not have.
RWD_MUST bool rwd_job_with_logic(const rwd_job *base, const rwd_job_logic *logic, rwd_job **out, rwd_error *err);

// A column as readers see it: aggregates first, then derived ones.
typedef struct rwd_job_column {
    const char *name;
    rwd_type type;
    uint8_t scale;
    bool list;               // it has no rwd_value, only text (state/row.h)
} rwd_job_column;
static inline size_t rwd_job_table_columns(const rwd_job_table *table) { return table->schema.column_count + table->derived_count; }
rwd_job_column rwd_job_table_column(const rwd_job_table *table, size_t index);

static inline bool rwd_job_has_dead_letters(const rwd_job *job) { return job->dead_letter_path || job->dead_letter_topic; }
// Are outputs and C in Kafka (C1)?
bool rwd_job_commits_to_kafka(const rwd_job *job);
static inline const char *rwd_job_group(const rwd_job *job) { return job->group ? job->group : job->name; }

// "7": the partition that is read; a file's is 0.
#define RWD_PARTITION_TEXT 16
void rwd_job_partition_text(const rwd_job *job, char out[RWD_PARTITION_TEXT]);
// <state.path>/<job>/<partition>: the data directory.
RWD_MUST bool rwd_job_data_path(const rwd_job *job, char out[4096], rwd_error *err);

// The job with all defaults filled in, as YAML (or JSON): what `config print` shows and what a lineage stores. Loading it again gives an equal job.
void rwd_job_print(const rwd_job *job, bool json, rwd_buf *out);
// JSON Schema (draft 2020-12) of job files, from the key table.
void rwd_job_schema(rwd_buf *out);
// The manual's page of keys (Markdown), from the key table.
void rwd_job_manual(rwd_buf *out);

// The schemas of all that a job's state has: its tables, by number, and the lists of open sessions behind them. `out` has room for RWD_TABLES_MAX. What they hold is
// *borrowed* from the job. Returns how many.
size_t rwd_job_schemas(const rwd_job *job, rwd_schema *out);

#endif
