// Keys as text: what an output record has as its key. The text of a single part (state/value.h); of several, a JSON array of them: ["DE",7,"2026-01-02T03:04:05Z"].
//
// Thread: pure; any.
#ifndef STATE_KEY_TEXT_H
#define STATE_KEY_TEXT_H

#include "state/schema.h"

// Appends. False: these bytes are no key of the table. `scratch` is cleared and used.
RWD_MUST bool rwd_key_write_text(const rwd_schema *schema, rwd_slice key, rwd_buf *scratch, rwd_buf *out);
// The same without the start of a window: by it a topic that has the table's keys is partitioned.
RWD_MUST bool rwd_key_write_partition_text(const rwd_schema *schema, rwd_slice key, rwd_buf *scratch, rwd_buf *out);
// The way back, of untrusted text. In a JSON array (RFC 8259) numbers and booleans are bare, all else is quoted, null is null. False: it is no key of the table.
// `parts` *borrow* from `text` and `scratch`, which is cleared and used.
RWD_MUST bool rwd_key_read_text(const rwd_schema *schema, rwd_slice text, rwd_buf *scratch, rwd_value parts[RWD_KEY_PARTS_MAX]);

#endif
