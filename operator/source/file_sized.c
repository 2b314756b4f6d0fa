// Records behind their length: a varint, then so many bytes, as the delimited streams of Protocol Buffers have it (writeDelimitedTo, parseDelimitedFrom).
//
// Where a length is no varint nothing behind it can be told apart, so the job stops there; a record that the file's end cuts is MALFORMED, like a quote that
// is never closed. An empty record is one. There is no byte order mark and no header.
#include "operator/base/wire.h"
#include "operator/source/file_private.h"

static rwd_record *add(rwd_file_source *source, uint64_t position, uint64_t behind, rwd_slice value, uint64_t full_size) {
    rwd_record *record = rwd_file_add_record(source, behind);
    record->value = value;
    record->full_size = full_size;
    record->position = position;
    return record;
}

// A record over the size limit: its bytes are counted and hashed while they pass by.
static void pass_big(rwd_file_source *source, uint64_t size) {
    rwd_file_big *big = &source->big;
    const uint8_t *data = source->buffer + source->begin;
    size_t room = RWD_FILE_HEAD - big->head_size, kept = size < room ? (size_t)size : room;
    memcpy(big->head + big->head_size, data, kept);
    big->head_size += kept;
    big->size += size;
    big->left -= size;
    rwd_hasher_update(big->hasher, data, (size_t)size);
    source->begin = source->scanned = source->begin + (size_t)size;
}

static void begin_big(rwd_file_source *source, uint64_t size) {
    rwd_file_big *big = &source->big;
    *big = (rwd_file_big){.active = true, .position = source->position + source->begin, .left = size, .hasher = big->hasher};
    rwd_hasher_reset_seeded(big->hasher, (uint64_t)source->next_offset);
}

// False: more of it is to come.
static bool take_big(rwd_file_source *source, bool last) {
    rwd_file_big *big = &source->big;
    size_t here = source->end - source->begin;
    pass_big(source, big->left < here ? big->left : here);
    if (big->left > 0 && !last) return false;
    rwd_record *record = add(source, big->position, source->position + source->begin, rwd_slice_of(big->head, big->head_size), big->size);
    record->hash = rwd_hasher_finish(big->hasher);
    record->fault = big->left > 0 ? RWD_E_MALFORMED : RWD_E_TOO_LARGE;
    source->unended = big->left > 0 ? record : NULL;
    big->active = false;
    return true;
}

// The bytes [begin, begin + size) of the window are a record's.
static void take_bytes(rwd_file_source *source, size_t size, rwd_code fault) {
    const uint8_t *data = source->buffer + source->begin;
    rwd_record *record = add(source, source->position + source->begin, source->position + source->begin + size, rwd_slice_of(data, size), size);
    record->hash = rwd_hash128_of(data, size, (uint64_t)record->offset);
    record->fault = fault;
    source->unended = fault == RWD_E_NONE ? NULL : record;
    source->begin = source->scanned = source->begin + size;
}

bool rwd_file_take_sized(rwd_file_source *source) {
    bool last = source->at_end && !source->options.follow;
    if (source->big.active) return take_big(source, last);
    size_t here = source->end - source->begin;
    if (here == 0) return false;
    uint64_t size;
    rwd_wire_reader in = rwd_wire_reader_of(rwd_slice_of(source->buffer + source->begin, here));
    if (!rwd_wire_varint(&in, &size)) {
        source->no_length = here >= RWD_WIRE_VARINT_MAX;
        if (!last || source->no_length) return false;
        take_bytes(source, here, RWD_E_MALFORMED);
        return true;
    }
    size_t prefix = here - rwd_wire_left(&in);
    if (size > source->options.max_size) {
        source->begin = source->scanned = source->begin + prefix;
        begin_big(source, size);
        return take_big(source, last);
    }
    if (size > here - prefix && !last) return false;
    source->begin = source->scanned = source->begin + prefix;
    take_bytes(source, size > here - prefix ? here - prefix : (size_t)size, size > here - prefix ? RWD_E_MALFORMED : RWD_E_NONE);
    return true;
}

bool rwd_file_no_length(const rwd_file_source *source, rwd_error *err) {
    (void)rwd_fail(err, RWD_E_SOURCE_HEADER, "at byte %llu stands no record's length: the file is not messages with their length before each",
                   (unsigned long long)(source->position + source->begin));
    (void)rwd_error_at(err, "%s", source->options.path);
    return rwd_error_next(err, "write it with writeDelimitedTo or its like: the size as a varint, then the message");
}
