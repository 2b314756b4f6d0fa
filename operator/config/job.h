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
#include "state/schema.h"

// Raised when the meaning of any step changes; part of every fingerprint (L4).
#define RWD_STEP_VERSION 1

#define RWD_FIELDS_MAX 256
#define RWD_SINKS_MAX 32

// name in job files, doc
#define RWD_FORMAT_TABLE(X)                                                                                   \
    X(JSON, "json", "one JSON object a record (files: JSON Lines)")                                           \
    X(CSV, "csv", "comma-separated values, RFC 4180")

typedef enum rwd_format {
#define RWD_FORMAT_ENUM(id, name, doc) RWD_FORMAT_##id,
    RWD_FORMAT_TABLE(RWD_FORMAT_ENUM)
#undef RWD_FORMAT_ENUM
        RWD_FORMAT_COUNT
} rwd_format;
// "json": as in job files. Static.
const char *rwd_format_name(rwd_format format);

typedef struct rwd_field {
    char *name;
    char *path;              // where it stands in the record: CSV column, JSON member ("a.b" for a member of a member); the name unless given
    rwd_type type;
    uint8_t scale;           // of a decimal
    rwd_time_format time;    // of a time; RFC 3339 unless given
    bool hidden;             // not declared: stands here for event.time.field
} rwd_field;

typedef enum rwd_emit { RWD_EMIT_COMMIT, RWD_EMIT_UPDATE } rwd_emit;

typedef struct rwd_job_sink {
    uint16_t table;          // index into tables
    char *path;
    rwd_format format;
    rwd_emit emit;
    uint16_t *columns;       // indexes of the table's columns, in output order; all of them unless `fields:`
    size_t column_count;
} rwd_job_sink;

// What an aggregate column of a table reads: index into fields, or -1 (count()).
typedef struct rwd_job_table {
    rwd_schema schema;
    int16_t key_fields[RWD_KEY_PARTS_MAX];
    int16_t column_fields[RWD_COLUMNS_MAX];
} rwd_job_table;

typedef enum rwd_on_stop { RWD_ON_STOP_EXIT, RWD_ON_STOP_PARK } rwd_on_stop;

typedef struct rwd_job {
    char *file;              // the job file's path, for messages
    char *name;              // job:
    struct {
        char *path;          // source.file.path
        bool follow;
        rwd_format format;
        bool csv_header;     // csv.header
        char csv_delimiter;  // csv.delimiter
    } source;
    struct {
        int16_t time_field;  // index into fields, or -1: no event time
        int64_t ahead_us;    // event.time.ahead; 0: off (S2)
        uint64_t max_size;   // event.max_size: a larger record is a dead letter
        rwd_field *fields;   // declared ones, in the order of the file; plus one for event.time.field where that is not declared
        size_t field_count;
    } event;
    rwd_job_table *tables;
    size_t table_count;
    rwd_job_sink *sinks;
    size_t sink_count;
    char *dead_letter_path;  // errors.dead_letter.file.path, or NULL: a bad event stops the operator
    struct { char *path; uint64_t memory; } state;
    struct {
        int64_t every_ns;
        unsigned keep_last;
        int64_t full_every_ns;
        unsigned full_keep;
    } checkpoints;
    struct {
        int64_t commit_every_ns;  // 0 where offset_multiple is set
        int64_t offset_multiple;  // delivery.commit_at.offset_multiple, or 0
    } delivery;
    rwd_on_stop on_stop;
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

// <state.path>/<job>/<partition>: the data directory. A file's partition is 0.
RWD_MUST bool rwd_job_data_path(const rwd_job *job, char out[4096], rwd_error *err);

// The job with all defaults filled in, as YAML (or JSON): what `config print` shows and what a lineage stores. Loading it again gives an equal job.
void rwd_job_print(const rwd_job *job, bool json, rwd_buf *out);
// JSON Schema (draft 2020-12) of job files, from the key table.
void rwd_job_schema(rwd_buf *out);
// The manual's page of keys (Markdown), from the key table.
void rwd_job_manual(rwd_buf *out);

#endif
