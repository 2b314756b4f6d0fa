// From a record's bytes to an event's typed fields.
//
// Decoding is pure: the same bytes give the same event or the same fault, whatever the locale, the clock or the memory (S1, E2).
// Every byte of a record is judged: a JSON record with a mistake in a member that nobody asked for is a fault all the same. A record that is
// not well formed is MALFORMED; of the fields of a well-formed one, the first faulty one in the job file's order gives the fault.
//
//             JSON                                            CSV
//   missing   member absent or null                           empty and not quoted ("" is an empty text)
//   string    string                                          any text
//   int       number without a fraction (3, 3.0, 3e2)         the same as text
//   decimal   number, or string that holds one ("12.50")      the same as text
//   bool      true, false                                     true, false
//   time      string; for epoch-* formats a number, too       text
//   float     number                                          the same as text
//   bytes     string that holds base64 (RFC 4648, padded)     the same as text
//
//             protobuf                                        raw
//   missing   absent, and told from the default; no such      a key that is null
//             element of a repeated field
//   string    string; enum (its name)                         string
//   int       any integer; enum (its number)                  int32be, int64be, string
//   decimal   any integer; string that holds a number         int32be, int64be, string
//   bool      bool                                            string
//   time      Timestamp (protobuf-timestamp); any integer     int32be, int64be (epoch-*); string
//             (epoch-*); string
//   float     float, double, any integer                      float64be, int32be, int64be, string
//   bytes     bytes                                           bytes; string that holds base64
//
// What is missing has its default, or is null where it is optional; else it is MISSING_FIELD. What has another type is WRONG_TYPE; what does not fit (int64, the
// decimal's scale, the years 1 to 9999) is OUT_OF_RANGE.
//
// JSON: the record is an object; of members with one name the last counts; paths are those of config/json_path.h; nesting is at most 64. CSV: every row has as many
// fields as there are columns; spaces belong to their field. protobuf: of a singular field the last value counts; strings are UTF-8; a known field with another wire
// type is WRONG_TYPE (decode_protobuf.c has the rest).
//
// A record is one event, or with event.each one for each element of an array; an array that is missing has none, what is no array is WRONG_TYPE of the record. Each
// event stands alone: a faulty element is its own fault, a faulty field around the array is the fault of every event.
//
// A plugin's decoder gives typed values; what it says of a record that is not well formed is the reason of the dead letter. A passing fault that stays is PLUGIN: the
// job stops there (S1).
//
// Thread: pipeline. Nothing is allocated per record once buffers have grown to the largest record.
#ifndef OPERATOR_LOGIC_DECODE_H
#define OPERATOR_LOGIC_DECODE_H

#include "operator/config/job.h"
#include "operator/source/source.h"

#define RWD_ORDINAL_NONE UINT32_MAX  // the record as a whole

typedef struct rwd_event {
    rwd_value *fields;     // job->event.field_count of them, borrowed until the next rwd_decoder_begin
    int64_t time_us;       // event time, RWD_TIME_NONE if the job declares none
    const rwd_record *record;
    uint32_t ordinal;      // among the events of its record: 0, 1, 2
} rwd_event;

// Why a record or an event failed, without text until someone wants it.
typedef struct rwd_fault {
    rwd_code code;
    int16_t field;         // index into the job's fields, or -1
    uint32_t at;           // byte in the record where the mistake is, where known
    const char *why;       // the mistake in words (static), or NULL: the code says it all
    const rwd_job_use *use; // of the job: the expression at fault, `at` then being the code point in its text, 0: the whole; or NULL
} rwd_fault;

typedef struct rwd_decoder rwd_decoder;

// `columns`: the CSV header (NULL: JSON, or a CSV job without header, whose fields are columns in their declared order). SOURCE_HEADER if a needed
// column is missing (names it and the nearest one there is) or stands twice, or if the job has a header that was not read yet (a followed file that is still
// empty: make the decoder when the first records come). `job` is *borrowed*.
RWD_MUST bool rwd_decoder_new(const rwd_job *job, const char *const *columns, size_t column_count, rwd_decoder **out, rwd_error *err);
void rwd_decoder_free(rwd_decoder *decoder);
// Begins a batch of at most `max` events: values of earlier events end.
void rwd_decoder_begin(rwd_decoder *decoder, size_t max);
// Takes a record apart: `out_count` events are in it, at most RWD_EVENTS_PER_RECORD_MAX. False: it has none, and the fault is the whole record's. The record must
// live until its last event was decoded.
RWD_MUST bool rwd_decode_record(rwd_decoder *decoder, const rwd_record *record, size_t *out_count, rwd_fault *out_fault);
// The next one of them, at most `out_count` times. True: `out` is filled. False: the fault is this event's.
RWD_MUST bool rwd_decode_event(rwd_decoder *decoder, rwd_event *out, rwd_fault *out_fault);
// Both in one, for jobs without event.each.
RWD_MUST bool rwd_decode(rwd_decoder *decoder, const rwd_record *record, rwd_event *out, rwd_fault *out_fault);
// "field 'amount': ..." for people and dead letters. Appends.
void rwd_fault_text(const rwd_job *job, const rwd_fault *fault, rwd_buf *out);

#endif
