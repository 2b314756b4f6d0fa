// Rows as messages of Protocol Buffers, and the .proto that describes them (proto/row_fields.h has the numbers).
//
// A table's message has a field for each key field, aggregate and derived column, whatever a sink writes of them; null is an absent field. string, bytes, bool, int64 and double
// are themselves; a time is a google.protobuf.Timestamp; a decimal is its exact text; a list its JSON. The same row gives the same bytes every time.
//
// Thread: pure; any.
#ifndef OPERATOR_SINK_ROW_PROTO_H
#define OPERATOR_SINK_ROW_PROTO_H

#include "operator/sink/row_text.h"

// One row (how->format does not matter). `row` NULL: deleted. `delimited`: behind its length, as files have it. False if the key or row does not decode (CORRUPT).
// Appends.
RWD_MUST bool rwd_row_proto_append(const rwd_row_text *how, bool delimited, rwd_slice key, const uint8_t *row, uint32_t row_size, int64_t offset,
                                   rwd_answers *answers, rwd_buf *out, rwd_error *err);
// The .proto of all tables that the job writes as protobuf. CONFIG if there is none. Appends.
RWD_MUST bool rwd_row_proto_schema(const rwd_job *job, rwd_buf *out, rwd_error *err);

#endif
